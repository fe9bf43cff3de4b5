package quota_test

import (
	"encoding/binary"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
)

const plan = `
organizations:
  default:
    grants: [{kind: contract, credits: 10000}]
    environments: {prod: {allocation: 100}}
    users: {ana: {limit: 1000, type: hard}, bo: {limit: 100, type: hard}}
rate_card:
  receipt: {credits: 32}
`

// sidecar is the running binary: one data directory and one Unix socket in a folder, however often it is started.
type sidecar struct {
	binary, folder string
	process        *exec.Cmd
}

// running is the one that all tests talk to.
var running sidecar

func TestMain(m *testing.M) {
	binary := os.Getenv("QUOTAD")
	if binary == "" {
		log.Fatal("QUOTAD must name the quotad binary: the tests run against the real one")
	}
	folder, err := os.MkdirTemp("", "quotad")
	if err != nil {
		log.Fatal(err)
	}
	running = sidecar{binary: binary, folder: folder}
	if err := os.WriteFile(filepath.Join(folder, "plan.yaml"), []byte(plan), 0o600); err != nil {
		log.Fatal(err)
	}
	running.start()
	code := m.Run()
	running.kill()
	os.RemoveAll(folder)
	os.Exit(code)
}

func (s *sidecar) socket() string { return filepath.Join(s.folder, "quotad.sock") }

// start starts it, and waits until it answers.
func (s *sidecar) start() {
	s.process = exec.Command(s.binary, "--plan", filepath.Join(s.folder, "plan.yaml"), "--socket", s.socket(),
		"--listen", "none", "--probes-listen", "none", "--management-listen", "none",
		"--data-dir", filepath.Join(s.folder, "data"))
	written, err := os.OpenFile(filepath.Join(s.folder, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		log.Fatal(err)
	}
	defer written.Close()
	s.process.Stdout, s.process.Stderr = written, written
	if err := s.process.Start(); err != nil {
		log.Fatal(err)
	}
	wait := exec.Command(s.binary, "wait", "--probes", "unix:"+s.socket(), "--timeout", "20s")
	if said, err := wait.CombinedOutput(); err != nil {
		s.kill()
		told, _ := os.ReadFile(filepath.Join(s.folder, "log"))
		log.Fatalf("no answer within 20 s: %s\n%s", said, told)
	}
}

// kill ends it at once, as kill -9 does.
func (s *sidecar) kill() {
	_ = s.process.Process.Kill()
	_ = s.process.Wait() // it was killed, so this is an error by design
}

// lossy is a socket in front of the sidecar that can lose answers: it cuts the connection where a response begins, which
// is when the sidecar has done what was asked for.
type lossy struct {
	path     string
	lose     atomic.Int32 // so many answers are lost from now on
	requests atomic.Int32 // requests that came
}

const (
	prefaceBytes = 24 // PRI * HTTP/2.0 ...
	headerBytes  = 9
	headers      = 1 // the type of the HTTP/2 frame that begins a request or a response
)

func newLossy(t *testing.T) *lossy {
	t.Helper()
	l := &lossy{path: filepath.Join(t.TempDir(), "lossy.sock")}
	listener, err := net.Listen("unix", l.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("unix", running.socket())
			if err != nil {
				near.Close()
				continue
			}
			go passOn(near, far, prefaceBytes, func() bool { l.requests.Add(1); return true })
			go passOn(far, near, 0, func() bool {
				if l.lose.Load() == 0 {
					return true
				}
				l.lose.Add(-1)
				return false
			})
		}
	}()
	return l
}

// passOn passes whole frames on, until one of HEADERS may not pass or a side closes; then both are closed.
func passOn(source, sink net.Conn, preface int64, mayPass func() bool) {
	defer source.Close()
	defer sink.Close()
	if _, err := io.CopyN(sink, source, preface); err != nil {
		return
	}
	head := make([]byte, headerBytes)
	for {
		if _, err := io.ReadFull(source, head); err != nil {
			return
		}
		if head[3] == headers && !mayPass() {
			return
		}
		length := binary.BigEndian.Uint32(append([]byte{0}, head[:3]...))
		if _, err := sink.Write(head); err != nil {
			return
		}
		if _, err := io.CopyN(sink, source, int64(length)); err != nil {
			return
		}
	}
}
