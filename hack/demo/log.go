package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// log reads the output of a step from the operator, as somebody who may get deploymentruns/log.
func (s *stage) log(ctx context.Context, run, target, step string) (string, error) {
	for _, args := range [][]string{
		{"create", "serviceaccount", "reader", "-n", "shop"},
		{"create", "role", "log-reader", "-n", "shop", "--verb=get", "--resource=deploymentruns.mantle.dev/log"},
		{"create", "rolebinding", "log-reader", "-n", "shop", "--role=log-reader", "--serviceaccount=shop:reader"},
	} {
		if _, err := s.kubectl(ctx, "", args...); err != nil {
			return "", err
		}
	}
	token, err := s.kubectl(ctx, "", "create", "token", "reader", "-n", "shop")
	if err != nil {
		return "", err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+s.logs+"/logs/shop/"+run+"/"+target+"/"+step, nil)
	if err != nil {
		return "", fmt.Errorf("building the request: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(token))
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // the demo's operator has a certificate that it made itself
	}}
	response, err := client.Do(request)
	if err != nil {
		return "", fmt.Errorf("reading a log: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err != nil || response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("reading a log: %s: %s %w", response.Status, body, err)
	}
	return string(body), nil
}
