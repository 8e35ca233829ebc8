package services

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// oldestJava is what Elasticsearch 8 and Kafka 4 need.
const oldestJava = 17

// java is the home of a Java that is new enough.
func java() (string, error) {
	home, err := debian(javaHome, "default-jre-headless")
	if err != nil {
		return "", fmt.Errorf("it needs Java %d or newer: %w", oldestJava, err)
	}
	return home, nil
}

func javaHome() string {
	homes := []string{os.Getenv("JAVA_HOME")}
	if path, err := exec.LookPath("java"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			homes = append(homes, filepath.Dir(filepath.Dir(path)))
		}
	}
	system, _ := filepath.Glob("/usr/lib/jvm/*")
	for _, home := range append(homes, system...) {
		if home != "" && exists(filepath.Join(home, "bin", "java")) && javaVersion(home) >= oldestJava {
			return home
		}
	}
	return ""
}

// javaVersion is the major version that a Java's release file tells, as in
// JAVA_VERSION="17.0.15"; zero if there is none.
func javaVersion(home string) int {
	release, _ := os.ReadFile(filepath.Join(home, "release"))
	_, version, _ := strings.Cut(string(release), `JAVA_VERSION="`)
	end := strings.IndexFunc(version, func(r rune) bool { return r < '0' || r > '9' })
	major, _ := strconv.Atoi(version[:max(0, end)])
	return major
}
