// Command types prints the fields of what templates are rendered over, as Go's API of Kubernetes names them.
//
//	types > go_types.txt
//
// A line is a type, or one of its fields: Go's name, JSON's name ("-" for what is embedded), kind.
package main

import (
	"fmt"
	"reflect"
	"sort"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

var opaque = map[reflect.Type]string{
	reflect.TypeOf(metav1.Time{}):        "time",
	reflect.TypeOf(metav1.MicroTime{}):   "time",
	reflect.TypeOf(resource.Quantity{}):  "text",
	reflect.TypeOf(intstr.IntOrString{}): "text",
	reflect.TypeOf(metav1.Duration{}):    "text",
	reflect.TypeOf(metav1.FieldsV1{}):    "text",
	reflect.TypeOf([]byte{}):             "text",
}

func main() {
	seen := map[reflect.Type]bool{}
	for _, root := range []any{metav1.ObjectMeta{}, corev1.PodSpec{}, corev1.NodeSpec{}} {
		visit(reflect.TypeOf(root), seen)
	}
	var types []reflect.Type
	for t := range seen {
		types = append(types, t)
	}
	sort.Slice(types, func(i, j int) bool { return types[i].String() < types[j].String() })
	for _, t := range types {
		fmt.Println(t.String())
		for i := range t.NumField() {
			field := t.Field(i)
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if name == "" {
				name = "-"
			}
			fmt.Printf(" %s %s %s\n", field.Name, name, kind(field.Type))
		}
	}
}

func visit(t reflect.Type, seen map[reflect.Type]bool) {
	if _, ok := opaque[t]; ok || seen[t] {
		return
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		visit(t.Elem(), seen)
	case reflect.Struct:
		seen[t] = true
		for i := range t.NumField() {
			visit(t.Field(i).Type, seen)
		}
	}
}

func kind(t reflect.Type) string {
	if name, ok := opaque[t]; ok {
		return name
	}
	switch t.Kind() {
	case reflect.Pointer:
		return "*" + kind(t.Elem())
	case reflect.Slice:
		return "[]" + kind(t.Elem())
	case reflect.Map:
		return "map:" + kind(t.Elem())
	case reflect.Struct:
		return t.String()
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "bool"
	case reflect.Int, reflect.Int32, reflect.Int64:
		return "int"
	}
	panic(t.String())
}
