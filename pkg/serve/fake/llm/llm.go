package llm

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ssectl/ssectl/pkg/serve/fake"
)

// Options are the options of all answers of a service.
type Options struct {
	Text    string // of answers without a content; empty repeats the last message of the user
	HasText bool   // Text is meant, also where it is empty

	Pace  fake.Pace // at which tokens, which are words here, go out
	Slots int       // of answers at a time, others wait for one; 0 is any number
	Seed  uint64    // of the IDs and the jitter; 0 is a random one
}

// services are the constructors of all services, by name.
var services = map[string]func(*engine) fake.Service{
	"openai":    newOpenAI,
	"anthropic": newAnthropic,
	"gemini":    newGemini,
	"vercel-ai": newVercel,
}

// Names returns the names of all services.
func Names() []string { return slices.Sorted(maps.Keys(services)) }

// New returns the service of a name.
func New(name string, options Options) (fake.Service, error) {
	service := services[name]
	switch {
	case service == nil:
		return nil, fmt.Errorf("no service %q; want one of %s", name, strings.Join(Names(), ", "))
	case options.Slots < 0 || options.Pace.First < 0 || !(options.Pace.Rate >= 0) || !(options.Pace.Jitter >= 0 && options.Pace.Jitter <= 1):
		return nil, fmt.Errorf("service %s: slots, times and rates of 0 or more, and a jitter of at most 1, are wanted", name)
	}
	return service(newEngine(options)), nil
}
