package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/spiffe/spire-controller-manager/pkg/spireapi"
)

// server is empty, and remembers what it is told to create. It answers for one round of the reconciler.
type server struct {
	mutex   sync.Mutex
	created []spireapi.Entry
	lists   int
	waiting map[int]chan struct{}
}

// listed is closed when entries were listed for the nth time.
func (s *server) listed(n int) <-chan struct{} {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.waiting == nil {
		s.waiting = map[int]chan struct{}{}
	}
	wait := make(chan struct{})
	if s.lists >= n {
		close(wait)
	} else {
		s.waiting[n] = wait
	}
	return wait
}

func (s *server) ListEntries(context.Context) ([]spireapi.Entry, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.lists++
	if wait, ok := s.waiting[s.lists]; ok {
		close(wait)
	}
	if s.lists > 1 {
		return nil, errors.New("one round is enough")
	}
	return nil, nil
}

func (s *server) CreateEntries(_ context.Context, entries []spireapi.Entry) ([]spireapi.Status, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, entry := range entries {
		if entry.ID == "" {
			entry.ID = fmt.Sprint(len(s.created))
		}
		s.created = append(s.created, entry)
	}
	return make([]spireapi.Status, len(entries)), nil
}

func (s *server) UpdateEntries(_ context.Context, entries []spireapi.Entry) ([]spireapi.Status, error) {
	return make([]spireapi.Status, len(entries)), nil
}

func (s *server) DeleteEntries(_ context.Context, ids []string) ([]spireapi.Status, error) {
	return make([]spireapi.Status, len(ids)), nil
}

func (s *server) GetUnsupportedFields(context.Context, string) (map[spireapi.Field]struct{}, error) {
	return nil, nil
}

var _ spireapi.EntryClient = (*server)(nil)
