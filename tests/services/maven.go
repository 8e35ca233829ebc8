package services

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// artifact is a file that Maven knows.
type artifact struct{ group, id, version, packaging string }

// maven puts artifacts into a folder, and what they need if transitive.
func maven(ctx context.Context, dir string, transitive bool, artifacts ...artifact) error {
	mvn, err := debian(lookPath("mvn"), "maven")
	if err != nil {
		return fmt.Errorf("it comes by Maven: %w", err)
	}
	work, err := os.MkdirTemp("", "xconnect-maven-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	var pom strings.Builder
	pom.WriteString("<project><modelVersion>4.0.0</modelVersion><groupId>xconnect</groupId><artifactId>tests</artifactId><version>1</version><dependencies>")
	for _, a := range artifacts {
		fmt.Fprintf(&pom, "<dependency><groupId>%s</groupId><artifactId>%s</artifactId><version>%s</version><type>%s</type></dependency>",
			a.group, a.id, a.version, a.packaging)
	}
	pom.WriteString("</dependencies></project>")
	path := filepath.Join(work, "pom.xml")
	if err := os.WriteFile(path, []byte(pom.String()), 0o644); err != nil {
		return err
	}
	return install(exec.CommandContext(ctx, mvn, "--batch-mode", "--quiet", "--file", path,
		"org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies",
		"-DoutputDirectory="+dir, fmt.Sprintf("-DexcludeTransitive=%t", !transitive)))
}
