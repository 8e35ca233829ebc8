package xapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// maxAnswerBytes bounds an answer, after decompression. The largest that X
	// has a use for is a page of 500 Posts of 10 KB with all that they include.
	maxAnswerBytes = 32 << 20
	// answerTimeout is how long an answer may take from its headers to its end.
	answerTimeout = time.Minute
)

var errAnswerTimeout = fmt.Errorf("the answer did not end within %s", answerTimeout)

// answer is a response that is read whole, unlike a stream's.
type answer struct {
	body    []byte
	limits  Limits
	date    time.Time
	request *http.Request
}

// get asks for a JSON document. The error of any outcome but a whole answer
// of 200 is a *Problem.
func (c *Client) get(ctx context.Context, u *url.URL, of Stream) (*answer, error) {
	life, end := context.WithCancelCause(ctx)
	defer end(nil)
	timer := time.AfterFunc(c.connectTimeout, func() { end(errConnectTimeout) })
	defer timer.Stop()

	w := &wire{} // without a watchdog: the answer has a time of its own
	defer w.close()
	res, _, err := c.connect(life, w, u, of)
	if err == nil && !timer.Stop() {
		err = unanswered(life, "connecting to "+u.Host, errConnectTimeout, true)
	}
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	defer time.AfterFunc(answerTimeout, func() { end(errAnswerTimeout) }).Stop()

	a := &answer{limits: limitsOf(res.Header), date: dateOf(res.Header), request: res.Request}
	if a.body, err = readWhole(res); err != nil {
		return nil, a.incomplete(life, err)
	}
	return a, nil
}

var errOversized = fmt.Errorf("the answer is longer than %d MiB", maxAnswerBytes>>20)

func readWhole(res *http.Response) ([]byte, error) {
	var r io.Reader = res.Body
	if isGzip(res) {
		r = &gunzip{src: r}
	}
	body, err := io.ReadAll(io.LimitReader(r, maxAnswerBytes+1))
	if err == nil && len(body) > maxAnswerBytes {
		err = errOversized
	}
	return body, err
}

// incomplete makes a Problem of an answer that could not be read to its end.
func (a *answer) incomplete(life context.Context, err error) *Problem {
	p := &Problem{Class: Network, Sent: true}
	switch cause := context.Cause(life); {
	case errors.Is(err, errOversized):
		p.Class, p.Reason, p.Err = HTTPFailure, "oversized_answer", err
	case errors.Is(cause, errAnswerTimeout):
		p.Reason, p.Err = "timeout", cause
	case cause != nil:
		p.Reason, p.Err = "closed", cause
	default:
		p = ending(err, false)
	}
	p.Limits, p.Date = a.limits, a.date
	return p
}

// unusable makes a Problem of an answer of 200 that is not what was asked
// for. X may say in it what went wrong, as it does in a refusal.
func (a *answer) unusable(err error) *Problem {
	header := a.request.Header.Get("Authorization")
	_, secret, _ := strings.Cut(header, " ")
	s := understand(hide(a.body, header, secret))
	p := s.problem()
	p.Class, p.Reason = HTTPFailure, "unusable_answer"
	if class, reason, ok := s.limit(); ok {
		p.Class, p.Reason, p.Advice = class, reason, limitAdvice(reason)
	}
	p.Sent, p.Limits, p.Date, p.Err = true, a.limits, a.date, err
	return p
}
