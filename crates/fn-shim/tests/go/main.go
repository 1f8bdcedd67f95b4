// Calls a function as the Fn agent does, with the same library and the same settings of it, and says what is wrong.
//
// The agent is written in Go, so what Go's net/http does with a connection is part of the contract, in places that are
// written down nowhere: when it uses one again, what it does with an answer it does not read, how it streams a body.
// The transport's settings are those of fnproject/fn, api/agent/agent.go (newHotContainer).
//
// usage: agent SOCKET
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// agent is one container's client.
type agent struct {
	client http.Client
	dialed int32
}

func newAgent(socket string) *agent {
	a := &agent{}
	a.client.Transport = &http.Transport{
		MaxIdleConns:        1,
		MaxIdleConnsPerHost: 1,
		IdleConnTimeout:     1 * time.Second,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			atomic.AddInt32(&a.dialed, 1)
			var dialer net.Dialer
			return dialer.DialContext(ctx, "unix", socket)
		},
	}
	return a
}

// dials gives the number of connections made since it was last asked.
func (a *agent) dials() int32 {
	return atomic.SwapInt32(&a.dialed, 0)
}

// stream hides the body's length, as the agent does: what it passes on is somebody else's stream.
type stream struct{ io.Reader }

// call sends a body and reads the answer; of an answer that is not 200 the body is left unread, as the agent leaves it.
func (a *agent) call(body string, headers ...string) (*http.Response, string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, "POST", "http://localhost/call", stream{strings.NewReader(body)})
	if err != nil {
		return nil, "", err
	}
	request.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Add(headers[i], headers[i+1])
	}
	deadline, _ := ctx.Deadline()
	request.Header.Set("Fn-Call-Id", "01ABC")
	request.Header.Set("Fn-Deadline", deadline.Format(time.RFC3339))
	response, err := a.client.Do(request)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	if response.StatusCode != 200 {
		return response, "", nil
	}
	text, err := io.ReadAll(response.Body)
	return response, string(text), err
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: agent SOCKET")
		os.Exit(2)
	}
	steps := []struct {
		name string
		run  func(*agent) error
	}{
		{"a hundred calls on one connection", hundredCalls},
		{"a pause longer than the idle time-out", pause},
		{"bodies of all sizes", sizes},
		{"an empty body", empty},
		{"failures, whose answers are not read", failures},
		{"a body over the limit", tooLarge},
		{"a time-out", deadline},
		{"headers of a caller", callerHeaders},
	}
	failed := false
	for _, step := range steps {
		a := newAgent(os.Args[1])
		if err := step.run(a); err != nil {
			fmt.Printf("%s: %v\n", step.name, err)
			failed = true
		}
		a.client.CloseIdleConnections()
	}
	if failed {
		os.Exit(1)
	}
	fmt.Printf("%d situations\n", len(steps))
}

func (a *agent) echoed(body string, headers ...string) error {
	response, text, err := a.call(body, headers...)
	switch {
	case err != nil:
		return err
	case response.StatusCode != 200:
		return fmt.Errorf("status %d", response.StatusCode)
	case text != body:
		return fmt.Errorf("%d bytes came back as %d others", len(body), len(text))
	case response.Header.Get("Fn-Fdk-Version") == "":
		return fmt.Errorf("no Fn-Fdk-Version")
	}
	return nil
}

func (a *agent) refused(status int, body string, headers ...string) error {
	response, _, err := a.call(body, headers...)
	if err == nil && response.StatusCode != status {
		err = fmt.Errorf("status %d instead of %d", response.StatusCode, status)
	}
	return err
}

func hundredCalls(a *agent) error {
	for i := 0; i < 100; i++ {
		if err := a.echoed(fmt.Sprintf(`{"call": %d}`, i)); err != nil {
			return fmt.Errorf("call %d: %w", i, err)
		}
	}
	if dials := a.dials(); dials != 1 {
		return fmt.Errorf("%d connections", dials)
	}
	return nil
}

func pause(a *agent) error {
	if err := a.echoed("1"); err != nil {
		return err
	}
	time.Sleep(1500 * time.Millisecond)
	if err := a.echoed("2"); err != nil {
		return err
	}
	if dials := a.dials(); dials != 2 {
		return fmt.Errorf("%d connections", dials)
	}
	return nil
}

func sizes(a *agent) error {
	for _, size := range []int{2, 1000, 4095, 4096, 4097, 32767, 32768, 32769, 1 << 20, 6 << 20} {
		if err := a.echoed(`"` + strings.Repeat("x", size-2) + `"`); err != nil {
			return fmt.Errorf("%d bytes: %w", size, err)
		}
	}
	return nil
}

// An answer that is not read costs Go the connection, so each call may come on a new one.
func empty(a *agent) error {
	if err := a.refused(502, ""); err != nil {
		return err
	}
	return a.echoed("1")
}

func failures(a *agent) error {
	for i := 0; i < 20; i++ {
		for _, wish := range []struct {
			name   string
			status int
		}{{"fail", 502}, {"report", 502}, {"panic", 502}, {"late", 504}} {
			if err := a.refused(wish.status, `{"behave":"`+wish.name+`"}`); err != nil {
				return fmt.Errorf("%s: %w", wish.name, err)
			}
		}
		if err := a.echoed("1"); err != nil {
			return fmt.Errorf("after failures: %w", err)
		}
	}
	return nil
}

func tooLarge(a *agent) error {
	if err := a.refused(502, `"`+strings.Repeat("x", 10<<20)+`"`); err != nil {
		return err
	}
	return a.echoed("1")
}

func deadline(a *agent) error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	body := stream{strings.NewReader(`{"behave":"sleep","ms":60000}`)}
	request, err := http.NewRequestWithContext(ctx, "POST", "http://localhost/call", body)
	if err != nil {
		return err
	}
	end, _ := ctx.Deadline()
	request.Header.Set("Fn-Deadline", end.Format(time.RFC3339))
	response, err := a.client.Do(request)
	if err != nil {
		return fmt.Errorf("no answer before the deadline, which ends the container: %w", err)
	}
	response.Body.Close()
	if response.StatusCode != 504 {
		return fmt.Errorf("status %d", response.StatusCode)
	}
	return a.echoed("1")
}

func callerHeaders(a *agent) error {
	var headers []string
	for i := 0; i < 150; i++ {
		headers = append(headers, fmt.Sprintf("Caller-%d", i), strings.Repeat("x", 100))
	}
	if err := a.echoed("1", headers...); err != nil {
		return err
	}
	_, text, err := a.call(`{"behave":"context"}`, "Fn-Intent", "cloudevent")
	if err != nil {
		return err
	}
	var told struct {
		ID       string `json:"request_id"`
		Deadline int64  `json:"deadline"`
	}
	if err := json.NewDecoder(bytes.NewReader([]byte(text))).Decode(&told); err != nil {
		return err
	}
	left := time.Until(time.Unix(0, told.Deadline*int64(time.Millisecond)))
	if told.ID != "01ABC" || left < 10*time.Second || left > 20*time.Second {
		return fmt.Errorf("the function was told %+v", told)
	}
	return nil
}
