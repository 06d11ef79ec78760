//go:build !unix

package cursor

// lock does nothing where folders cannot be locked.
func lock(string) (unlock func()) { return func() {} }
