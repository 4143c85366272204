package feed

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mantledeploy/mantle/controllers/internal/addresses"
)

// dns answers the names that it has, each by one IPv4 address, and remembers what it was asked for.
type dns struct {
	names map[string]netip.Addr

	mu    sync.Mutex
	asked []string
}

func (d *dns) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go d.serve(server)
		return client, nil
	}}
}

func (d *dns) serve(conn net.Conn) {
	defer conn.Close()
	for {
		var length uint16
		if binary.Read(conn, binary.BigEndian, &length) != nil {
			return
		}
		query := make([]byte, length)
		if _, err := io.ReadFull(conn, query); err != nil {
			return
		}
		answer := d.answer(query)
		if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)); err != nil {
			return
		}
	}
}

// answer to a query of one question, as RFC 1035 has it.
func (d *dns) answer(query []byte) []byte {
	name, at := "", 12
	for query[at] != 0 {
		name += string(query[at+1:at+1+int(query[at])]) + "."
		at += 1 + int(query[at])
	}
	question := query[12 : at+5]
	ofIPv4 := question[len(question)-3] == 1
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, name)
	ip, known := d.names[name]
	header := []byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}
	if !known {
		header[3] |= 3 // no such name
	}
	if !known || !ofIPv4 {
		return append(header, question...)
	}
	header[7] = 1
	four := ip.As4()
	return append(append(append(header, question...), 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4), four[:]...)
}

func TestNamesInsideTheCluster(t *testing.T) {
	d := &dns{names: map[string]netip.Addr{
		"cache.shop.svc.cluster.local.": netip.MustParseAddr("127.0.0.1"), // which the test's server allows
		"other.shop.svc.cluster.local.": netip.MustParseAddr("10.99.0.9"),
	}}
	f, base := server(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("content")) }, Config{})
	f.resolver = d.resolver()
	f.client.Transport.(*http.Transport).TLSClientConfig.ServerName = "example.com" // which the server's certificate is for
	port := base[strings.LastIndex(base, ":"):]

	var got bytes.Buffer
	if err := f.Fetch(t.Context(), "https://cache.shop.svc.cluster.local"+port+"/a", &got); err != nil || got.String() != "content" {
		t.Errorf("an allowed address: %q, %v", got.String(), err)
	}
	for name, want := range map[string]string{
		"other.shop.svc.cluster.local": "10.99.0.9 of a name inside the cluster is refused, unless --package-allow-cidr contains it",
		"db.shop":                      "no search list is used, so write the full name",
		"cache":                        "no search list is used, so write the full name",
	} {
		if err := f.Fetch(t.Context(), "https://"+name+port+"/a", &got); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	for _, name := range d.asked {
		if !slices.Contains([]string{"cache.shop.svc.cluster.local.", "other.shop.svc.cluster.local.", "db.shop.", "cache."}, name) {
			t.Errorf("asked for %s", name)
		}
	}
	if addresses.Absolute("db.shop") != "db.shop." || addresses.Absolute("db.shop.") != "db.shop." || addresses.Absolute("10.0.0.1") != "10.0.0.1" || addresses.Absolute("fe80::1") != "fe80::1" {
		t.Error("a name is left to the search list, or an address is taken for a name")
	}
}
