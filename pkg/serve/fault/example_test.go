package fault_test

import (
	"fmt"

	"github.com/ssectl/ssectl/pkg/serve/fault"
)

func ExampleParse() {
	f, err := fault.Parse("stall@5=30s")
	fmt.Println(f.Kind, f.First, f.Duration, err)
	_, err = fault.Parse("stall@5")
	fmt.Println(err)
	// Output:
	// stall 5 30s <nil>
	// fault "stall@5": want a duration; an example is stall@5=30s
}

func ExampleKinds() {
	for _, kind := range fault.Kinds()[:3] {
		fmt.Println(kind.Usage)
	}
	// Output:
	// drop@5
	// reset@5
	// truncate@5
}
