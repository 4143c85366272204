package logs

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// The limits of followers: how many at once; how long without output and in all, after which the client must send a new
// request, which is authorised again; and how often the file and the row of its action are read.
const (
	maxFollowers, maxFollowersOfNamespace, maxFollowersOfAddress = 64, 16, 8

	followIdle   = 10 * time.Minute
	followFor    = time.Hour
	filePause    = 250 * time.Millisecond
	rowPause     = 2 * time.Second
	writeTimeout = 30 * time.Second
)

// follow serves an output until its step has ended.
func (h *handler) follow(ctx context.Context, w http.ResponseWriter, of logRequest) *failure {
	if !h.following.TryEnter(of.namespace) {
		return fail(http.StatusTooManyRequests, "too many outputs of this namespace are being followed; end one of them, or omit follow")
	}
	defer h.following.Leave(of.namespace)
	if !h.fromOne.TryEnter(of.from) {
		return fail(http.StatusTooManyRequests, "too many outputs are being followed from this address; end one of them, or omit follow")
	}
	defer h.fromOne.Leave(of.from)
	ctx, cancel := context.WithTimeout(ctx, followFor)
	defer cancel()
	defer context.AfterFunc(h.store.ctx, cancel)()

	// If there will never be any output, this request fails at once, like one without follow.
	row, err := h.row(ctx, h.client, of)
	here := func() bool { return h.store.newest(of.namespace, of.run.UID, of.target, of.step, of.attempt) != "" }
	if err == nil && !here() {
		row, err = h.uncachedRow(ctx, &of)
	}
	if err != nil {
		return err
	}
	ended := finished(of, row)
	if ended && !here() {
		return absent(of, row)
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusOK)
	f := &follower{handler: h, w: w, control: http.NewResponseController(w), of: of, text: copier{w: w, timestamps: of.timestamps}}
	defer f.close()
	f.run(ctx, ended)
	return nil
}

// finished reports whether an action can write no further output.
func finished(of logRequest, row *v1alpha1.ActionStatus) bool {
	if row == nil {
		return of.run.Status.Phase.IsTerminal()
	}
	return row.Phase.IsTerminal() || of.attempt != 0 && of.attempt < row.Attempt || of.run.Status.Phase.IsTerminal()
}

// follower writes an output to one reader as it grows.
type follower struct {
	*handler
	w       http.ResponseWriter
	control *http.ResponseController
	of      logRequest
	file    *os.File
	text    copier
	rest    []byte // the beginning of an incomplete line
}

func (f *follower) close() {
	if f.file != nil {
		_ = f.file.Close()
	}
}

// run continues until the action has ended, the client disconnects, or a limit is reached. The last line then names the
// limit.
func (f *follower) run(ctx context.Context, ended bool) {
	f.flush()
	lastOutput, lastCheck := time.Now(), time.Now()
	for {
		wrote, err := f.copy()
		switch {
		case err != nil || ended && !wrote:
			return
		case wrote && ctx.Err() == nil:
			lastOutput = time.Now()
			continue
		case time.Since(lastOutput) > followIdle:
			f.last("no output for " + followIdle.String())
			return
		case time.Since(lastCheck) > rowPause:
			lastCheck, ended = time.Now(), f.ended(ctx)
			continue
		}
		select {
		case <-ctx.Done():
			f.last("the operator closes this request")
			return
		case <-time.After(filePause):
		}
	}
}

func (f *follower) last(why string) {
	_, _ = fmt.Fprintf(f.w, "[%s; the step may still be running: repeat the request to follow it]\n", why)
	f.flush()
}

// ended reports whether the action has ended. It has if the run was deleted or recreated.
func (f *follower) ended(ctx context.Context) bool {
	now := &v1alpha1.DeploymentRun{}
	err := f.client.Get(ctx, types.NamespacedName{Namespace: f.of.namespace, Name: f.of.name}, now)
	if err != nil {
		return client.IgnoreNotFound(err) == nil
	}
	if now.UID != f.of.run.UID {
		return true
	}
	f.of.run = now
	row, failed := f.row(ctx, f.client, f.of)
	return failed != nil && failed.status == http.StatusNotFound || failed == nil && finished(f.of, row)
}

// copy writes the complete lines that were added to the file, and reports whether there were any.
func (f *follower) copy() (wrote bool, err error) {
	if f.file == nil {
		if f.file = f.handler.file(f.of); f.file == nil {
			return false, nil
		}
	}
	buffer := make([]byte, maxTail)
	n, err := f.file.Read(buffer)
	if n == 0 {
		if err == io.EOF {
			err = nil
		}
		return false, err
	}
	f.rest = append(f.rest, buffer[:n]...)
	_ = f.control.SetWriteDeadline(time.Now().Add(writeTimeout))
	for {
		line, rest, whole := bytes.Cut(f.rest, []byte("\n"))
		if !whole {
			break
		}
		if _, err := f.text.line(f.rest[:len(line)+1]); err != nil {
			return true, err
		}
		f.rest = rest
	}
	if len(f.rest) > maxTail { // not written by this operator
		f.rest = nil
	}
	f.flush()
	return true, nil
}

// flush sends what was written. It clears the deadline, which would otherwise end the stream between two writes.
func (f *follower) flush() {
	_ = f.control.SetWriteDeadline(time.Now().Add(writeTimeout))
	_ = f.control.Flush()
	_ = f.control.SetWriteDeadline(time.Time{})
}
