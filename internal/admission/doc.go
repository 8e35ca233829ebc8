// Package admission decides who may connect, and when: the wait before the next
// attempt of a connection ([Schedule]), how many requests X still allows
// ([Budget]), whose connect goes next and who gives up for good ([Admission]).
//
// All of it is state machines that are fed with what happened and with X's time.
// They read no clock, hold no lock, wait for nothing and log nothing: the caller
// does. They know X's answers (through xapi), and numbers for partitions and
// connections. They know neither what a connection carries nor what of a stream
// is missing.
package admission
