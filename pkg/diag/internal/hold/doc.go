// Package hold estimates from the times of an observation whether something
// between server and client holds events back, by which cause, and for how
// long. Each method is a value of type Method; a View runs it when a check
// asks.
//
// The words that it uses:
//
//	hop       a proxy, cache or other server between client and origin
//	path      all hops together, as a client sees them
//	hold      the time for which a hop keeps bytes that it could pass on
//	lump      events that arrive in one piece though they were sent one by one
//	tails     the last bytes of large events, which do not fill a buffer
//	bare      of a compressed stream, only the header of the compression arrives
//	lead      by how much a resumed stream gets events before one that stayed open
//	punctual  arrivals follow the times in the events at once: nothing is held
//	doubt     evidence of a hold that other connections contradict; also a reason
//	          for the probe to look again
package hold
