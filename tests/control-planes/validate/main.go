// Command validate holds resources in files to the definitions of their kinds, as an API server
// does: schema, lists that are sets or maps, names that nothing knows, and the rules in CEL.
//
//	validate FOLDER FILE…    FOLDER holds the CustomResourceDefinitions
//
// Documents without a kind, such as patches of a Deployment, are left out.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"istio.io/istio/pkg/config/crd"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kubeyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

func main() {
	if len(os.Args) < 3 {
		fail(errors.New("usage: validate FOLDER FILE…"))
	}
	definitions, err := filepath.Glob(filepath.Join(os.Args[1], "*.yaml"))
	fail(err)
	if len(definitions) == 0 {
		fail(fmt.Errorf("%s: no definitions", os.Args[1]))
	}
	// The definitions come from the projects that own them; the resources are what is checked.
	validator, err := crd.NewValidatorFromFilesWithOptions(definitions, crd.WithoutCRDValidation())
	fail(err)

	checked, mistakes := 0, 0
	for _, file := range os.Args[2:] {
		resources, err := read(file)
		fail(err)
		for _, each := range resources {
			checked++
			if err := validator.ValidateCustomResource(each); err != nil {
				mistakes++
				fmt.Fprintf(os.Stderr, "%s: %v\n", file, err)
			}
		}
	}
	fmt.Printf("%d resources checked\n", checked)
	if mistakes > 0 {
		os.Exit(1)
	}
}

func read(file string) ([]*unstructured.Unstructured, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	reader := kubeyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	var found []*unstructured.Unstructured
	for {
		document, err := reader.Read()
		if err == io.EOF {
			return found, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		var content map[string]any
		if err := yaml.Unmarshal(document, &content); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if kind, _ := content["kind"].(string); kind == "" {
			continue
		}
		// By way of JSON: only so do numbers without a fraction come as integers.
		resource := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(document, resource); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if defined(resource.GroupVersionKind().Group) {
			found = append(found, resource)
		}
	}
}

// defined tells whether the kinds of a group have a definition here: those of Kubernetes itself
// have none, and those of Higress are in no Go module.
func defined(group string) bool {
	return strings.Contains(group, ".") && !strings.HasSuffix(group, ".higress.io")
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
