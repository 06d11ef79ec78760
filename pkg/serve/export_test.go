package serve

import "unsafe"

// Knows reports whether a client can resume after an ID.
func Knows(h *History, id string) bool {
	_, ok := h.find(id)
	return ok
}

// Memory returns how many bytes the log of a history takes.
func Memory(h *History) (size int) {
	for s := range h.segments() {
		size += len(s.buf) + len(*s.entries.Load())*int(unsafe.Sizeof(entry{}))
	}
	return size
}
