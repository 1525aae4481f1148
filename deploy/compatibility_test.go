package deploy_test

import (
	"path/filepath"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/model"
	"k8s.io/apimachinery/pkg/util/version"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/environment"
)

// TestOldestKubernetes: the CRDs install on Kubernetes 1.31 and newer. A server
// compiles new rules with what CEL had one release earlier, so that it can be
// rolled back; isIP and isCIDR came with 1.30.
func TestOldestKubernetes(t *testing.T) {
	t.Parallel()

	env := environment.MustBaseEnvSet(version.MajorMinor(1, 30))

	files, err := filepath.Glob("crd/metallb.io_*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("found no CRD (%v)", err)
	}

	for _, file := range files {
		crd, err := readCRD(file)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}

		for _, v := range crd.Spec.Versions {
			var props apiextensions.JSONSchemaProps
			if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(v.Schema.OpenAPIV3Schema, &props, nil); err != nil {
				t.Fatal(err)
			}

			schema, err := structuralschema.NewStructural(&props)
			if err != nil {
				t.Fatal(err)
			}

			compileRules(t, file+" "+v.Name, schema, env)
		}
	}
}

// compileRules compiles the rules of a schema and of all that it contains.
func compileRules(t *testing.T, path string, s *structuralschema.Structural, env *environment.EnvSet) {
	t.Helper()

	if len(s.XValidations) > 0 {
		results, err := cel.Compile(s, model.SchemaDeclType(s, s.XEmbeddedResource), celconfig.PerCallLimit, env, cel.NewExpressionsEnvLoader())
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}

		for _, r := range results {
			if r.Error != nil {
				t.Errorf("%s: %v", path, r.Error)
			}

			if r.MessageExpressionError != nil {
				t.Errorf("%s: %v", path, r.MessageExpressionError)
			}
		}
	}

	if s.Items != nil {
		compileRules(t, path+"[]", s.Items, env)
	}

	for name, property := range s.Properties {
		compileRules(t, path+"."+name, &property, env)
	}
}
