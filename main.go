// Ssectl listens to, serves and diagnoses streams of Server-Sent Events.
package main

import (
	"os"

	"github.com/ssectl/ssectl/cmd"
)

func main() {
	os.Exit(cmd.Main())
}
