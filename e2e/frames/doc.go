// Package frames sees and sends the ARP and NDP frames of a segment, and says who answered for which address. It never decides who
// should have.
//
// It watches inside the switch, where a frame is seen once, at the port it comes in by. That port, and not anything the frame says,
// tells who sent it.
package frames
