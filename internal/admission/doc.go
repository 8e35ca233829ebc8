// Package admission decides who may connect, and when.
//
// It is made of state machines that are fed with what happened and with the
// time. They read no clock, hold no lock, wait for nothing and log nothing.
package admission
