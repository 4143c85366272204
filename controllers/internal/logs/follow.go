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

// The bounds of followers: how many at once, how long without output and in all, after which whoever reads asks again, with
// rights that are judged again; and how often a file, and how often the row of its action, is looked at.
const (
	maxFollowers, maxFollowersOfNamespace, maxFollowersOfAddress = 64, 16, 8

	followIdle   = 10 * time.Minute
	followFor    = time.Hour
	filePause    = 250 * time.Millisecond
	rowPause     = 2 * time.Second
	writeTimeout = 30 * time.Second
)

// follow serves an output until its step has ended.
func (h *handler) follow(ctx context.Context, w http.ResponseWriter, of asked) *failure {
	if !h.following.TryEnter(of.namespace) {
		return fail(http.StatusTooManyRequests, "too many outputs of this namespace are followed; end one of them, or ask without follow")
	}
	defer h.following.Leave(of.namespace)
	if !h.fromOne.TryEnter(of.from) {
		return fail(http.StatusTooManyRequests, "too many outputs are followed from this address; end one of them, or ask without follow")
	}
	defer h.fromOne.Leave(of.from)
	ctx, cancel := context.WithTimeout(ctx, followFor)
	defer cancel()
	defer context.AfterFunc(h.store.ctx, cancel)()

	// What will never come is told at once, as it is without follow.
	row, err := h.row(ctx, h.client, of)
	here := func() bool { return h.store.newest(of.namespace, of.run.UID, of.target, of.step, of.attempt) != "" }
	if err == nil && !here() {
		row, err = h.liveRow(ctx, &of)
	}
	if err != nil {
		return err
	}
	ended := over(of, row)
	if ended && !here() {
		return absent(of, row)
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusOK)
	f := &follower{handler: h, w: w, control: http.NewResponseController(w), of: of}
	defer f.close()
	f.run(ctx, ended)
	return nil
}

// over tells whether no further output comes of an action.
func over(of asked, row *v1alpha1.ActionStatus) bool {
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
	of      asked
	file    *os.File
	rest    []byte // the beginning of a line that is not whole
}

func (f *follower) close() {
	if f.file != nil {
		_ = f.file.Close()
	}
}

// run goes on until the action has ended, the reader is gone, or a bound is reached, which the last line says.
func (f *follower) run(ctx context.Context, ended bool) {
	f.flush()
	news, asked := time.Now(), time.Now()
	for {
		wrote, err := f.copy()
		switch {
		case err != nil || ended && !wrote:
			return
		case wrote && ctx.Err() == nil:
			news = time.Now()
			continue
		case time.Since(news) > followIdle:
			f.last("nothing was written for " + followIdle.String())
			return
		case time.Since(asked) > rowPause:
			asked, ended = time.Now(), f.ended(ctx)
			continue
		}
		select {
		case <-ctx.Done():
			f.last("this operator ends it here")
			return
		case <-time.After(filePause):
		}
	}
}

func (f *follower) last(why string) {
	_, _ = fmt.Fprintf(f.w, "[%s; the step may go on: ask again to follow it]\n", why)
	f.flush()
}

// ended asks whether the action has ended. A run that is gone has nothing more to tell, nor has one that was made again.
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
	return failed != nil && failed.status == http.StatusNotFound || failed == nil && over(f.of, row)
}

// copy writes what was added to the file, up to the last whole line, and tells whether that was anything.
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
		if _, err := copyLine(f.w, f.rest[:len(line)+1], f.of.timestamps); err != nil {
			return true, err
		}
		f.rest = rest
	}
	if len(f.rest) > maxTail { // no line of ours
		f.rest = nil
	}
	f.flush()
	return true, nil
}

// flush sends what was written. A deadline that passes between two writes would end the stream.
func (f *follower) flush() {
	_ = f.control.SetWriteDeadline(time.Now().Add(writeTimeout))
	_ = f.control.Flush()
	_ = f.control.SetWriteDeadline(time.Time{})
}
