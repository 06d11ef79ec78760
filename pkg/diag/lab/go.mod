module github.com/ssectl/ssectl/pkg/diag/lab

go 1.26.0

require (
	github.com/andybalholm/brotli v1.2.8
	github.com/klauspost/compress v1.20.3
	github.com/ssectl/ssectl v0.0.0
)

replace github.com/ssectl/ssectl => ../../..
