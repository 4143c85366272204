package step

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// ErrVersion is wrapped by the error for a plan of another version than this engine's.
var ErrVersion = errors.New("unknown version of the plan")

// DecodePlan reads one plan and validates it. It reads at most MaxPlanSize bytes and refuses unknown
// fields, anything after the plan, and whatever Validate refuses.
func DecodePlan(r io.Reader) (Plan, error) {
	var p Plan
	data, err := readBounded(r, MaxPlanSize)
	if err != nil {
		return p, fmt.Errorf("reading the plan: %w", err)
	}
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return p, fmt.Errorf("decoding the plan: %w", err)
	}
	if head.Version != Version {
		return p, fmt.Errorf("%w: the plan has version %d, this engine reads %d", ErrVersion, head.Version, Version)
	}
	if err := decodeStrict(data, &p); err != nil {
		return Plan{}, fmt.Errorf("decoding the plan: %w", err)
	}
	if err := p.Validate(); err != nil {
		return Plan{}, err
	}
	return p, nil
}

// secretsFile is the form of the file beside the plan. The values are base64 there (as JSON writes
// bytes), so any bytes survive.
type secretsFile struct {
	Version int      `json:"version"`
	Values  [][]byte `json:"values"`
}

// EncodeSecrets writes the secrets file.
func EncodeSecrets(secrets []string) ([]byte, error) {
	f := secretsFile{Version: Version, Values: make([][]byte, len(secrets))}
	size := 0
	for i, s := range secrets {
		f.Values[i] = []byte(s)
		if len(s) > MaxValueSize {
			return nil, fmt.Errorf("secret %d is longer than %d bytes", i, MaxValueSize)
		}
		size += len(s)
	}
	if len(secrets) > MaxSecrets || size > MaxSecretsSize/2 {
		return nil, fmt.Errorf("the step has %d secrets of %d bytes together; at most %d of %d bytes are allowed",
			len(secrets), size, MaxSecrets, MaxSecretsSize/2)
	}
	data, err := json.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("encoding the secrets: %w", err)
	}
	return data, nil
}

// DecodeSecrets reads what EncodeSecrets wrote. Its errors never quote the input.
func DecodeSecrets(r io.Reader) ([]string, error) {
	data, err := readBounded(r, MaxSecretsSize)
	if err != nil {
		return nil, fmt.Errorf("reading the secrets: %w", err)
	}
	var f secretsFile
	if decodeStrict(data, &f) != nil || f.Version != Version || len(f.Values) > MaxSecrets {
		return nil, errors.New("the file of secrets is not one that this engine reads")
	}
	secrets := make([]string, len(f.Values))
	for i, v := range f.Values {
		secrets[i] = string(v)
	}
	return secrets, nil
}

func readBounded(r io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("longer than %d bytes", limit)
	}
	return data, nil
}

func decodeStrict(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the end")
	}
	return nil
}
