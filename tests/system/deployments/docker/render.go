// Renders a template as docker-jitsi-meet's tpl does: .Env has the environment's variables.
package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"text/template"
)

func text(value interface{}) string {
	if value == nil {
		return ""
	}
	return fmt.Sprint(value)
}

// Quotes do not count, and a word that ParseBool does not know is true.
func toBool(value interface{}) bool {
	bare := strings.NewReplacer(`"`, "", "'", "").Replace(text(value))
	known, err := strconv.ParseBool(bare)
	return known || (err != nil && bare != "")
}

func compact(items []string) []string {
	kept := []string{}
	for _, item := range items {
		if item != "" {
			kept = append(kept, item)
		}
	}
	return kept
}

var functions = template.FuncMap{
	"compact": compact,
	"default": func(other string, value interface{}) string {
		if given := text(value); given != "" {
			return given
		}
		return other
	},
	"join": func(separator string, items []string) string {
		return strings.Join(items, separator)
	},
	"split": func(separator string, value interface{}) map[string]string {
		parts := map[string]string{}
		for number, part := range strings.Split(text(value), separator) {
			parts["_"+strconv.Itoa(number)] = part
		}
		return parts
	},
	"splitList": func(separator string, value interface{}) []string {
		return strings.Split(text(value), separator)
	},
	"toBool":     toBool,
	"trimPrefix": func(prefix string, value string) string { return strings.TrimPrefix(value, prefix) },
	"trimSuffix": func(suffix string, value string) string { return strings.TrimSuffix(value, suffix) },
}

func main() {
	variables := map[string]interface{}{}
	for _, entry := range os.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		variables[name] = value
	}
	source, err := os.ReadFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	parsed := template.Must(template.New("file").Funcs(functions).Parse(string(source)))
	if err := parsed.Execute(os.Stdout, map[string]interface{}{"Env": variables}); err != nil {
		panic(err)
	}
}
