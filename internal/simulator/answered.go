package simulator

import "net/http"

// answered is a response whose status is put on record before anybody sees it.
type answered struct {
	http.ResponseWriter
	note  func(status int)
	noted bool
}

func (a *answered) WriteHeader(status int) {
	a.mark(status)
	a.ResponseWriter.WriteHeader(status)
}

// mark puts the status on record; 0 says that there will be no answer.
func (a *answered) mark(status int) {
	if !a.noted {
		a.noted = true
		a.note(status)
	}
}

// Unwrap lets an http.ResponseController find the connection.
func (a *answered) Unwrap() http.ResponseWriter { return a.ResponseWriter }
