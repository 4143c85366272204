package halibut

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// recording is a conversation between real peers (testdata/README.md).
type recording struct {
	Name        string `json:"name"`
	TLS         string `json:"tls"`
	Connections []struct {
		Steps []struct {
			From string `json:"from"`
			Hex  string `json:"hex"`
			Lost bool   `json:"lost"`
		} `json:"steps"`
		Decoded struct {
			Client []json.RawMessage `json:"client"`
			Server []json.RawMessage `json:"server"`
		} `json:"decoded"`
	} `json:"connections"`
}

func recordings(t testing.TB, pattern string) []recording {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings %s (%v)", pattern, err)
	}
	all := make([]recording, len(files))
	for i, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, &all[i]); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// bytesFrom joins what one side sent on a connection.
func (r *recording) bytesFrom(t testing.TB, connection int, side string) []byte {
	t.Helper()
	var all []byte
	for _, step := range r.Connections[connection].Steps {
		if step.From == side {
			data, err := hex.DecodeString(step.Hex)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, data...)
		}
	}
	return all
}

// fragments is a connection that can only be read, in pieces of a size that next gives.
type fragments struct {
	net.Conn
	data []byte
	next func() int
}

func (f *fragments) Read(p []byte) (int, error) {
	if len(f.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p, f.data[:min(len(f.data), f.next())])
	f.data = f.data[n:]
	return n, nil
}
func (*fragments) SetReadDeadline(time.Time) error { return nil }
func (*fragments) Close() error                    { return nil }

// said is one thing that a side said, with its bytes on the wire.
type said struct {
	rendered any
	document []byte
	wire     []byte
}

// transcript decodes all that one side said.
func transcript(data []byte, side string, next func() int) ([]said, error) {
	wire := newConn(&fragments{data: data, next: next}, newCodec(), time.Minute)
	left := func() int { return len(wire.Conn.(*fragments).data) + wire.w - wire.r }
	var all []said
	take := func(name string, read func() (any, error)) error {
		before := left()
		value, err := read()
		if err == nil {
			all = append(all, said{rendered: []member{{name, value}}, wire: data[len(data)-before : len(data)-left()]})
		}
		return err
	}
	line := func(name string) error {
		return take(name, func() (any, error) { return readControl(wire) })
	}
	if side == "client" {
		if err := take("preamble", func() (any, error) { return readInitial(wire) }); err != nil {
			return all, err
		}
	}
	if left() == 0 {
		return all, nil
	}
	if err := line("control"); err != nil {
		return all, err
	}
	if blank, err := readLine(wire); err != nil || blank != "" {
		return all, fmt.Errorf("line after identity: %q, %w", blank, err)
	}
	for left() > 0 {
		if at(all[len(all)-1].rendered, "control") == lineEnd {
			return all, errors.New("there is something after END")
		}
		before := left()
		message, err := wire.codec.inflate(wire, 64<<20)
		if err != nil {
			return all, err
		}
		members, err := parseDocument(message)
		if err != nil {
			return all, err
		}
		all = append(all, said{
			rendered: []member{
				{"message", render(at(members, "Message"))},
				{"wireBytes", json.Number(fmt.Sprint(before - left()))},
				{"bsonBytes", json.Number(fmt.Sprint(len(message)))},
			},
			document: message,
			wire:     data[len(data)-before : len(data)-left()],
		})
		if err := frames(wire, message, take); err != nil {
			return all, err
		}
		if left() > 0 {
			if err := line("control"); err != nil {
				return all, err
			}
		}
	}
	return all, nil
}

// frames decodes the data streams behind a message.
func frames(wire *conn, message []byte, take func(string, func() (any, error)) error) error {
	d := newDecoder(len(message))
	if err := d.scan(rawValue{typeDocument, message}, 0); err != nil {
		return err
	}
	for _, s := range d.streams {
		err := take("frame", func() (any, error) {
			if err := readStreams(wire, []*DataStream{s}, newSpool(os.TempDir(), 0)); err != nil {
				return nil, err
			}
			defer s.Discard()
			r, err := s.Open()
			if err != nil {
				return nil, err
			}
			defer r.Close()
			sum := sha256.New()
			_, err = io.Copy(sum, r)
			return []member{
				{"dataStream", s.id.String()},
				{"length", json.Number(fmt.Sprint(s.length))},
				{"sha256", hex.EncodeToString(sum.Sum(nil))},
			}, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// TestRecordings decodes what real peers said, however it is fragmented, compares it with what they meant,
// and encodes it again to the same BSON.
func TestRecordings(t *testing.T) {
	random := mathrand.New(mathrand.NewPCG(uint64(time.Now().UnixNano()), 0))
	for _, r := range append(recordings(t, "recordings/*.json"), recordings(t, "recordings-old/*.json")...) {
		t.Run(r.Name, func(t *testing.T) {
			for i := range r.Connections {
				for side, decoded := range map[string][]json.RawMessage{
					"client": r.Connections[i].Decoded.Client, "server": r.Connections[i].Decoded.Server,
				} {
					data := r.bytesFrom(t, i, side)
					if len(data) == 0 {
						continue
					}
					first, err := transcript(data, side, func() int { return len(data) })
					if err != nil {
						t.Fatalf("connection %d, %s: %v", i, side, err)
					}
					compare(t, first, decoded)
					for how, next := range map[string]func() int{
						"bytes":  func() int { return 1 },
						"random": func() int { return 1 + random.IntN(20_000) },
						"small":  func() int { return 1 + random.IntN(40) },
					} {
						all, err := transcript(data, side, next)
						if err != nil {
							t.Fatalf("connection %d, %s, %s: %v", i, side, how, err)
						}
						if !reflect.DeepEqual(first, all) {
							t.Fatalf("connection %d, %s: what is read depends on the fragments (%s)", i, side, how)
						}
					}
				}
			}
		})
	}
}

func compare(t *testing.T, all []said, decoded []json.RawMessage) {
	t.Helper()
	if len(all) != len(decoded) {
		t.Fatalf("decoded %d things, recorded are %d", len(all), len(decoded))
	}
	for i, got := range all {
		rendered := got.rendered
		if frame := at(rendered, "frame"); frame != nil {
			rendered = frame
		}
		if diff := cmp.Diff(ordered(t, decoded[i]), rendered); diff != "" {
			t.Fatalf("thing %d: %s", i, diff)
		}
		if got.document != nil && !bytes.Equal(compose(parse(t, got.document)), got.document) {
			t.Fatalf("thing %d is not encoded again as it was", i)
		}
	}
}
