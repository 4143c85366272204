package scripts

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1" // #nosec G505 -- the format's own
	"fmt"
)

// encrypt returns content as a file with an EncryptionPassword is stored (halibut.md section 6.4): a mark, an
// IV, and AES-128-CBC with a key from the password.
func encrypt(content []byte, password string) ([]byte, error) {
	const rounds, keySize = 1000, 16
	key, err := pbkdf2.Key(sha1.New, password, []byte("Octopuss"), rounds, keySize)
	if err != nil {
		return nil, fmt.Errorf("deriving a key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("deriving a key: %w", err)
	}
	content = bytes.TrimPrefix(content, []byte("\xef\xbb\xbf")) // it is read as text
	padding := aes.BlockSize - len(content)%aes.BlockSize
	padded := append(bytes.Clone(content), bytes.Repeat([]byte{byte(padding)}, padding)...)
	iv := make([]byte, aes.BlockSize)
	_, _ = rand.Read(iv) // never fails
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(padded, padded)
	return append(append([]byte("IV__"), iv...), padded...), nil
}
