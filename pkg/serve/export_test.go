package serve

// Knows reports whether a client can resume after an ID.
func Knows(h *History, id string) bool {
	_, ok := h.find(id)
	return ok
}
