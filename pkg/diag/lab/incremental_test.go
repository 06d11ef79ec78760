package main

import (
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ssectl/ssectl/pkg/diag/lab/internal/lab"
)

// TestIncremental sends "Incremental: ?1" (RFC 10036) through the servers that are
// installed, with the configurations that hold and those that do not: the header
// arrives as it was sent, and no stream is held that was not held without it. With -v
// it prints what each does.
func TestIncremental(t *testing.T) {
	var all sync.WaitGroup
	atOnce := make(chan struct{}, 3) // the machine is to have time for all
	for _, name := range []string{
		"nginx, buffering on, HTTP/1.0", "nginx, buffering off", "nginx, HTTP/2, buffering off", "nginx, gzip, buffering off",
		"Apache, proxy", "HAProxy", "HAProxy, http-no-delay", "Varnish", "Varnish, do_stream = false", "lighttpd", "lighttpd, stream-response-body = 1",
		"Caddy", "Caddy, encode", "Caddy, buffer_responses", "squid", "Traffic Server", "nghttpx", "nghttpx, HTTP/2", "h2o",
	} {
		i := slices.IndexFunc(lab.Setups, func(s lab.Setup) bool { return s.Name == name })
		if i < 0 {
			t.Errorf("no set-up %q", name)
			continue
		}
		if !lab.Setups[i].Available() {
			continue
		}
		all.Go(func() {
			atOnce <- struct{}{}
			defer func() { <-atOnce }()
			with := lab.Setups[i]
			with.Header = maps.Clone(with.Header)
			if with.Header == nil {
				with.Header = map[string][]string{}
			}
			with.Header.Set("Incremental", "?1")
			for try := 1; ; try++ {
				before := lab.Listen(t.Context(), lab.Setups[i], lab.Steady, 4*time.Second)
				after := lab.Listen(t.Context(), with, lab.Steady, 4*time.Second)
				got := after.Header.Get("Incremental")
				t.Logf("%s: header %q; without %s, %v, with %s, %v", name, got, before.Truth(), before.Hold.Round(time.Millisecond), after.Truth(), after.Hold.Round(time.Millisecond))
				harmed := after.Hold > before.Hold+400*time.Millisecond || after.Headers > before.Headers+time.Second
				if (got == "?1" || after.Header == nil) && !harmed { // without an answer there is no header either
					return
				}
				if try == tries {
					t.Errorf("%s: header %q; without %+v, with %+v", name, got, before, after)
					return
				}
			}
		})
	}
	all.Wait()
}
