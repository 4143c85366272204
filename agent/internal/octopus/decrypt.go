package octopus

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

const (
	// MachineIDFile is where a Tentacle on Linux has its key from.
	MachineIDFile = "/etc/machine-id"
	// MachineKeyFile is the other place, of a key that was made for it.
	MachineKeyFile = "/etc/octopus/machinekey"
	// machineIDVector is the IV that goes with every machine id.
	machineIDVector = "743677397A244326"
	// protectedPrefix marks a value of the authenticated form, and is its associated data.
	protectedPrefix = "$OctopusMachineKeyV1$"
	keySize         = 32
)

// dpapi is how every value begins that Windows' DPAPI made: a version, and the name of its provider.
var dpapi = []byte{
	0x01, 0x00, 0x00, 0x00, 0xD0, 0x8C, 0x9D, 0xDF, 0x01, 0x15,
	0xD1, 0x11, 0x8C, 0x7A, 0x00, 0xC0, 0x4F, 0xC2, 0x97, 0xEB,
}

// What PFX can fail with, each with a remedy of its own.
var (
	// ErrNoCertificate is a configuration without a certificate.
	ErrNoCertificate = errors.New("it holds no certificate; this Tentacle was never set up, or keeps its settings elsewhere: make one with Octopus's 'Tentacle new-certificate', or a Mantle identity with 'tentacle init'")
	// ErrWindows is a certificate that only the Windows machine that wrote it can open.
	ErrWindows = errors.New("its certificate is protected by Windows (DPAPI) and opens only on the machine that wrote it; run this command there, or write the PFX there in PowerShell as an administrator and bring it here with 'tentacle certificate import':\n" +
		"    Add-Type -AssemblyName System.Security\n" +
		"    $v = ([xml](Get-Content Tentacle.config)).'octopus-settings'.set | ? key -eq Tentacle.Certificate\n" +
		"    $b = [Security.Cryptography.ProtectedData]::Unprotect([Convert]::FromBase64String($v.'#text'), $null, 'LocalMachine')\n" +
		"    [IO.File]::WriteAllBytes(\"$pwd\\identity.pfx\", [Convert]::FromBase64String([Text.Encoding]::UTF8.GetString($b)))")
	// ErrNoKey is a Linux configuration without any key to try.
	ErrNoKey = errors.New("no key of the machine was found to open its certificate with; bring " + MachineIDFile + " or " + MachineKeyFile +
		" of the machine that wrote it, and name it with --machine-id-file or --machine-key-file")
	// ErrNotEncrypted is a certificate that is no encrypted value at all.
	ErrNotEncrypted = errors.New("key Tentacle.Certificate is no encrypted value: it is cut off or was edited; take the file from the machine itself or from a backup")
	// ErrPadding is a certificate that a key turned into something without an end: nearly always the wrong key.
	ErrPadding = errors.New("the key does not fit its certificate (wrong padding)")
	// ErrWrongKey is a certificate that a key turned into something that is none.
	ErrWrongKey = errors.New("the key does not fit its certificate (what comes out is no certificate)")
)

// Key is a machine's key. Source is told in errors.
type Key struct {
	Source      string
	key, vector []byte
}

// MachineID makes the key of the content of a machine-id file.
func MachineID(source string, data []byte) (Key, error) {
	line, _, _ := strings.Cut(string(data), "\n")
	line = strings.TrimSuffix(line, "\r")
	if len(line) != keySize {
		return Key{}, fmt.Errorf("reading %s: its first line has %d characters, and a machine id has %d; see 'man machine-id'", source, len(line), keySize)
	}
	return Key{source, []byte(line), []byte(machineIDVector)}, nil
}

// MachineKey makes the key of the content of a machinekey file.
func MachineKey(source string, data []byte) (Key, error) {
	first, second, _ := strings.Cut(strings.TrimSpace(string(data)), ".")
	key, err := base64.StdEncoding.DecodeString(first)
	vector, vectorErr := base64.StdEncoding.DecodeString(second)
	if err != nil || vectorErr != nil || len(key) != keySize || len(vector) != aes.BlockSize {
		return Key{}, fmt.Errorf("reading %s: it is not base64 of a key, a dot, and base64 of an IV, as Octopus's Tentacle writes it", source)
	}
	return Key{source, key, vector}, nil
}

// PFX opens the certificate with the first of keys that fits. The PFX that it returns has no password.
func (c Config) PFX(keys ...Key) ([]byte, error) {
	if c.certificate == "" {
		return nil, ErrNoCertificate
	}
	text, protected := strings.CutPrefix(c.certificate, protectedPrefix)
	data, err := base64.StdEncoding.DecodeString(text)
	switch {
	case err != nil:
		return nil, ErrNotEncrypted
	case bytes.HasPrefix(data, dpapi):
		plain, err := unprotect(data)
		if err != nil {
			return nil, err
		}
		return inner(plain)
	case len(keys) == 0:
		return nil, ErrNoKey
	}
	var failures []error
	for _, k := range keys {
		pfx, err := k.open(data, protected)
		if err == nil {
			return pfx, nil
		}
		if errors.Is(err, ErrNotEncrypted) {
			return nil, err
		}
		failures = append(failures, fmt.Errorf("with %s: %w", k.Source, err))
	}
	return nil, fmt.Errorf("%w; bring the key of the machine that wrote it (%s or %s there), and name it with --machine-id-file or --machine-key-file",
		errors.Join(failures...), MachineIDFile, MachineKeyFile)
}

func (k Key) open(data []byte, protected bool) ([]byte, error) {
	block, err := aes.NewCipher(k.key)
	if err != nil {
		return nil, err
	}
	var plain []byte
	if protected {
		plain, err = openGCM(block, data)
	} else {
		plain, err = openCBC(block, k.vector, data)
	}
	if err != nil {
		return nil, err
	}
	return inner(plain)
}

func openGCM(block cipher.Block, data []byte) ([]byte, error) {
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	if len(data) < gcm.NonceSize()+gcm.Overhead() {
		return nil, ErrNotEncrypted
	}
	plain, err := gcm.Open(nil, data[:gcm.NonceSize()], data[gcm.NonceSize():], []byte(protectedPrefix))
	if err != nil {
		return nil, ErrWrongKey
	}
	return plain, nil
}

func openCBC(block cipher.Block, vector, data []byte) ([]byte, error) {
	if len(data) == 0 || len(data)%aes.BlockSize != 0 {
		return nil, ErrNotEncrypted
	}
	plain := make([]byte, len(data))
	cipher.NewCBCDecrypter(block, vector).CryptBlocks(plain, data)
	pad := int(plain[len(plain)-1])
	if pad == 0 || pad > aes.BlockSize || !bytes.HasSuffix(plain, bytes.Repeat([]byte{byte(pad)}, pad)) {
		return nil, ErrPadding
	}
	return plain[:len(plain)-pad], nil
}

// inner takes the PFX out of the text that was encrypted.
func inner(plain []byte) ([]byte, error) {
	pfx, err := base64.StdEncoding.DecodeString(string(plain))
	if err != nil || len(pfx) == 0 || pfx[0] != 0x30 {
		return nil, ErrWrongKey
	}
	return pfx, nil
}
