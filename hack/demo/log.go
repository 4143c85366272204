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

// reader makes somebody who may get deploymentruns/log in the namespace, and takes their token.
func (s *scene) reader(ctx context.Context) error {
	for _, args := range [][]string{
		{"create", "serviceaccount", "reader", "-n", "shop"},
		{"create", "role", "log-reader", "-n", "shop", "--verb=get", "--resource=deploymentruns.mantle.dev/log"},
		{"create", "rolebinding", "log-reader", "-n", "shop", "--role=log-reader", "--serviceaccount=shop:reader"},
	} {
		if _, err := s.Kubectl(ctx, "", args...); err != nil {
			return err
		}
	}
	token, err := s.Kubectl(ctx, "", "create", "token", "reader", "-n", "shop")
	s.token = strings.TrimSpace(token)
	return err
}

// showLog shows the output of a step on a machine in the binding's last run, as the operator serves it.
func (s *scene) showLog(ctx context.Context, machine, step string) error {
	run, err := s.Kubectl(ctx, "", "get", "rb", "shop-production", "-n", "shop", "-o", "jsonpath={.status.lastRun}")
	if err != nil {
		return err
	}
	url := "https://" + s.logs + "/logs/shop/" + run + "/" + machine + "/" + step
	seen, err := s.log(ctx, url)
	if err == nil {
		s.say.command(`curl -k -H "Authorization: Bearer $TOKEN" `+url, seen)
	}
	return err
}

// log reads the output of a step from the operator.
func (s *scene) log(ctx context.Context, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", fmt.Errorf("building the request: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+s.token)
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
