// Command template renders templates by Go's own engine: the vectors that ours is held to.
//
//	template < vectors.json > vectors.json
//
// Each vector has the text of a template; what it yields over the data below is written beside it, or the error.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/template"
)

type vector struct {
	Template   string  `json:"template"`
	MissingKey string  `json:"missingKey,omitempty"`
	Output     *string `json:"output,omitempty"`
	Error      string  `json:"error,omitempty"`
}

type inner struct {
	Name string
	Tags []string
}

type data struct {
	Name   string
	Count  int
	Ratio  float64
	On     bool
	Labels map[string]string
	Empty  map[string]string
	Tags   []string
	None   []string
	Any    map[string]any
	Inner  *inner
	Null   *inner
	Inners []inner
}

func main() {
	var vectors []vector
	if err := json.NewDecoder(os.Stdin).Decode(&vectors); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	for i := range vectors {
		vectors[i].Output, vectors[i].Error = nil, ""
		output, err := render(vectors[i])
		if err != nil {
			vectors[i].Error = err.Error()
		} else {
			vectors[i].Output = &output
		}
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(vectors); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func render(v vector) (string, error) {
	parsed := template.New("vector")
	if v.MissingKey != "" {
		parsed = parsed.Option("missingkey=" + v.MissingKey)
	}
	parsed, err := parsed.Parse(v.Template)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	err = parsed.Execute(&out, &data{
		Name:   "web",
		Count:  3,
		Ratio:  1.5,
		On:     true,
		Labels: map[string]string{"app": "shop", "app.kubernetes.io/name": "shop-web", "tier": "front"},
		Tags:   []string{"a", "b", "c"},
		Any:    map[string]any{"text": "t", "number": 7, "null": nil, "list": []any{"x", 1, true}},
		Inner:  &inner{Name: "in", Tags: []string{"i"}},
		Inners: []inner{{Name: "one"}, {Name: "two", Tags: []string{"t"}}},
	})
	return out.String(), err
}
