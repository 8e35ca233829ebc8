// Command generate writes the reference pages in docs/reference from the
// config specs of our components, so that the two cannot disagree.
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/redpanda-data/benthos/v4/public/service"

	_ "github.com/xconnect-dev/xconnect/plugin"
)

//go:generate go run . ../reference

const ours = "x_"

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: generate DIRECTORY")
		os.Exit(2)
	}
	if err := generate(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func generate(dir string) (err error) {
	page := func(name string, view *service.ConfigView) {
		if err == nil && strings.HasPrefix(name, ours) {
			err = write(filepath.Join(dir, name+".md"), view)
		}
	}
	env := service.GlobalEnvironment()
	env.WalkInputs(page)
	env.WalkProcessors(page)
	return err
}

func write(path string, view *service.ConfigView) error {
	data, err := view.TemplateData()
	if err != nil {
		return fmt.Errorf("describing %s: %w", path, err)
	}
	var page bytes.Buffer
	if err := reference.Execute(&page, data); err != nil {
		return fmt.Errorf("rendering %s: %w", path, err)
	}
	return os.WriteFile(path, page.Bytes(), 0o644)
}

var reference = template.Must(template.New("reference").Funcs(template.FuncMap{
	"trim": strings.TrimSpace,
}).Parse("<!-- Generated from the component's config spec by `make generate`: edit that instead. -->\n" + `
# {{.Name}}

{{.Summary}}

{{trim .Description}}

## Common fields

` + "```yaml" + `
{{trim .CommonConfigYAML}}
` + "```" + `
{{range .Examples}}
## Example: {{.Title}}

{{.Summary}}

` + "```yaml" + `
{{trim .Config}}
` + "```" + `
{{end}}
## All fields
{{range .Fields}}
### ` + "`{{.FullName}}`" + `

{{.Description}}

- Type: ` + "`{{.Type}}`" + `{{if .IsSecret}}, a secret{{end}}{{if .IsInterpolated}}, interpolated{{end}}
{{- if .DefaultMarshalled}}
- Default: ` + "`{{.DefaultMarshalled}}`" + `{{end}}
{{- range .AnnotatedOptions}}
- ` + "`{{index . 0}}`" + `: {{index . 1}}{{end}}
{{- if .ExamplesMarshalled}}

` + "```yaml" + `
{{range .ExamplesMarshalled}}{{.}}{{end}}` + "```" + `{{end}}
{{end}}`))
