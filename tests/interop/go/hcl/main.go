// Reads configurations, one JSON string a line, with Go's reader of HCL 1, and tells of each in one line of JSON what it says
// and what it comes to when it is decoded.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strings"
	"unicode"

	"github.com/hashicorp/hcl"
	"github.com/hashicorp/hcl/hcl/ast"
	hclParser "github.com/hashicorp/hcl/hcl/parser"
	"github.com/hashicorp/hcl/hcl/token"
	jsonParser "github.com/hashicorp/hcl/json/parser"
)

type inner struct {
	Text  string   `hcl:"text"`
	Int   int      `hcl:"int"`
	Bool  bool     `hcl:"bool"`
	Texts []string `hcl:"texts"`

	UnusedKeyPositions map[string][]token.Pos `hcl:",unusedKeyPositions"`
}

type outer struct {
	Text  string   `hcl:"text"`
	Int   int      `hcl:"int"`
	Bool  bool     `hcl:"bool"`
	Texts []string `hcl:"texts"`
	Block *inner   `hcl:"block"`

	UnusedKeyPositions map[string][]token.Pos `hcl:",unusedKeyPositions"`
}

type answer struct {
	ParseError  string `json:"parse_error"`
	Tree        any    `json:"tree"`
	DecodeError string `json:"decode_error"`
	Decoded     any    `json:"decoded"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var text string
		if err := json.Unmarshal(lines.Bytes(), &text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if err := answers.Encode(read(text)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func read(text string) (told answer) {
	file, err := parse(text)
	if err != nil {
		told.ParseError = err.Error()
		return told
	}
	told.Tree = object(file.Node.(*ast.ObjectList))
	var decoded outer
	if err := hcl.Decode(&decoded, text); err != nil {
		told.DecodeError = err.Error()
		return told
	}
	told.Decoded = ofOuter(decoded)
	return told
}

// parse reads as hcl.Decode does, which takes arguments that are set twice.
func parse(text string) (*ast.File, error) {
	if strings.HasPrefix(strings.TrimLeftFunc(text, unicode.IsSpace), "{") {
		return jsonParser.Parse([]byte(text))
	}
	return hclParser.ParseDontErrorOnDuplicateKeys([]byte(text))
}

func ofOuter(o outer) any {
	block := any(nil)
	if o.Block != nil {
		b := *o.Block
		block = []any{b.Text, b.Int, b.Bool, texts(b.Texts), unused(b.UnusedKeyPositions)}
	}
	return []any{o.Text, o.Int, o.Bool, texts(o.Texts), block, unused(o.UnusedKeyPositions)}
}

func texts(list []string) []string {
	return append([]string{}, list...)
}

func unused(positions map[string][]token.Pos) []string {
	keys := []string{}
	for key := range positions {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}

// object tells an object as a list of pairs: keys, value.
func object(list *ast.ObjectList) any {
	items := []any{}
	for _, item := range list.Items {
		keys := []any{}
		for _, key := range item.Keys {
			keys = append(keys, []any{key.Token.Value(), key.Token.Type == token.STRING})
		}
		items = append(items, []any{keys, value(item.Val)})
	}
	return map[string]any{"object": items}
}

func value(node ast.Node) any {
	switch node := node.(type) {
	case *ast.ObjectType:
		return object(node.List)
	case *ast.ListType:
		values := []any{}
		for _, one := range node.List {
			values = append(values, value(one))
		}
		return map[string]any{"list": values}
	case *ast.LiteralType:
		switch node.Token.Type {
		case token.NUMBER, token.FLOAT:
			return map[string]any{"number": node.Token.Text}
		case token.BOOL:
			return map[string]any{"bool": node.Token.Text == "true"}
		default:
			return map[string]any{"text": node.Token.Value()}
		}
	default:
		return fmt.Sprintf("%T", node)
	}
}
