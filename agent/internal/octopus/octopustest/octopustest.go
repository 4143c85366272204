// Package octopustest makes configuration files like those of Octopus's Tentacle on Linux, for tests.
package octopustest

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

const (
	// MachineID is the content of a machine-id file, without its line end.
	MachineID = "0123456789abcdef0123456789abcdef"
	// Vector is the IV that goes with every machine id.
	Vector = "743677397A244326"
	// Protected is how a value of the authenticated form begins.
	Protected = "$OctopusMachineKeyV1$"
)

// CBC encrypts text as Tentacles did until 2026.
func CBC(t testing.TB, key, vector, text string) string {
	t.Helper()
	pad := aes.BlockSize - len(text)%aes.BlockSize
	data := []byte(text + strings.Repeat(string(rune(pad)), pad))
	cipher.NewCBCEncrypter(block(t, key), []byte(vector)).CryptBlocks(data, data)
	return base64.StdEncoding.EncodeToString(data)
}

// GCM encrypts text as they do since.
func GCM(t testing.TB, key, text string) string {
	t.Helper()
	c, err := cipher.NewGCM(block(t, key))
	if err != nil {
		t.Fatal(err)
	}
	nonce := []byte("twelve bytes")
	return Protected + base64.StdEncoding.EncodeToString(c.Seal(nonce, nonce, []byte(text), []byte(Protected))) // #nosec G407 -- for tests, which want the same each time
}

func block(t testing.TB, key string) cipher.Block {
	t.Helper()
	b, err := aes.NewCipher([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// File is a configuration file that holds pairs of a key and its value.
func File(pairs ...string) string {
	var b strings.Builder
	b.WriteString("\ufeff<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n<octopus-settings xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\r\n")
	for i := 0; i < len(pairs); i += 2 {
		fmt.Fprintf(&b, "  <set key=%q>%s</set>\r\n", pairs[i], pairs[i+1])
	}
	return b.String() + "</octopus-settings>"
}

// Servers is the value of the list of trusted servers, for one that calls and one that is called.
func Servers(listening, polling string) string {
	return `[{"Thumbprint":"` + listening + `","CommunicationStyle":1,"Address":null,"Squid":null,"SubscriptionId":null},` +
		`{"Thumbprint":"` + polling + `","CommunicationStyle":2,"Address":"https://octopus:10943/","Squid":"SQ-1","SubscriptionId":"poll://x/"}]`
}
