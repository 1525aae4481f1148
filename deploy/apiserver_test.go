package deploy_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	crdvalidation "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apiextensions-apiserver/pkg/crdserverscheme"
	"k8s.io/apiextensions-apiserver/pkg/registry/customresource"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/apiserver/pkg/registry/rest"
)

// server judges objects as a real API server does that was given the CRDs of
// this repository: the code is the API server's own, without its sockets.
type server map[schema.GroupVersionKind]resource

// resource is one version of one kind, with its status subresource.
type resource struct {
	schema   *structuralschema.Structural
	strategy rest.RESTCreateUpdateStrategy
	status   rest.RESTUpdateStrategy
}

// newServer loads every CRD of deploy/crd, and fails on one that an API server
// would refuse, be it for what its CEL rules are estimated to cost.
func newServer(t *testing.T) server {
	t.Helper()

	files, err := filepath.Glob("crd/metallb.io_*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("found no CRD (%v)", err)
	}

	s := server{}

	for _, file := range files {
		kinds, err := loadCRD(file)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}

		maps.Copy(s, kinds)
	}

	return s
}

func loadCRD(file string) (server, error) {
	external, err := readCRD(file)
	if err != nil {
		return nil, err
	}

	var crd apiextensions.CustomResourceDefinition
	if err := apiextensionsv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(external, &crd, nil); err != nil {
		return nil, err
	}

	// What the API server itself fills in on creation.
	crd.Status.StoredVersions = []string{storedVersion(&crd)}

	if errs := crdvalidation.ValidateCustomResourceDefinition(context.Background(), &crd); len(errs) > 0 {
		return nil, errs.ToAggregate()
	}

	kinds := server{}

	for _, version := range crd.Spec.Versions {
		r, gvk, err := newResource(&crd, version)
		if err != nil {
			return nil, fmt.Errorf("version %s: %w", version.Name, err)
		}

		kinds[gvk] = r
	}

	return kinds, nil
}

func readCRD(file string) (*apiextensionsv1.CustomResourceDefinition, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}

	var crd apiextensionsv1.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(text, &crd); err != nil {
		return nil, err
	}

	apiextensionsv1.SetDefaults_CustomResourceDefinition(&crd)
	apiextensionsv1.SetDefaults_CustomResourceDefinitionSpec(&crd.Spec)

	return &crd, nil
}

func storedVersion(crd *apiextensions.CustomResourceDefinition) string {
	for _, version := range crd.Spec.Versions {
		if version.Storage {
			return version.Name
		}
	}

	return ""
}

func newResource(crd *apiextensions.CustomResourceDefinition, version apiextensions.CustomResourceDefinitionVersion) (resource, schema.GroupVersionKind, error) {
	gvk := schema.GroupVersionKind{Group: crd.Spec.Group, Version: version.Name, Kind: crd.Spec.Names.Kind}

	// The internal form keeps the schema of all versions in one place when they
	// are equal.
	props := version.Schema
	if props == nil {
		props = crd.Spec.Validation
	}

	structural, err := structuralschema.NewStructural(props.OpenAPIV3Schema)
	if err != nil {
		return resource{}, gvk, err
	}

	object, _, err := validation.NewSchemaValidator(props.OpenAPIV3Schema)
	if err != nil {
		return resource{}, gvk, err
	}

	status := props.OpenAPIV3Schema.Properties["status"]

	statusValidator, _, err := validation.NewSchemaValidator(&status)
	if err != nil {
		return resource{}, gvk, err
	}

	strategy := customresource.NewStrategy(crdserverscheme.NewUnstructuredObjectTyper(), true, gvk, object, statusValidator,
		structural, &apiextensions.CustomResourceSubresourceStatus{}, nil, nil)

	return resource{structural, strategy, customresource.NewStatusStrategy(strategy)}, gvk, nil
}

// create does what `kubectl create` does and returns the object as stored.
// A field that no schema knows is an error, as kubectl has it by default.
func (s server) create(manifest string) (*unstructured.Unstructured, error) {
	obj, r, err := s.decode(manifest)
	if err != nil {
		return nil, err
	}

	r.strategy.PrepareForCreate(context.Background(), obj)

	return obj, invalid(obj, r.strategy.Validate(context.Background(), obj))
}

// update does what `kubectl replace` does to the object old.
func (s server) update(old *unstructured.Unstructured, manifest string) (*unstructured.Unstructured, error) {
	obj, r, err := s.decode(manifest)
	if err != nil {
		return nil, err
	}

	return replace(r.strategy, obj, old)
}

// updateStatus does the same with `--subresource status`.
func (s server) updateStatus(old *unstructured.Unstructured, manifest string) (*unstructured.Unstructured, error) {
	obj, r, err := s.decode(manifest)
	if err != nil {
		return nil, err
	}

	return replace(r.status, obj, old)
}

func replace(strategy rest.RESTUpdateStrategy, obj, old *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	old = old.DeepCopy()
	old.SetResourceVersion("1")
	obj.SetResourceVersion("1")

	strategy.PrepareForUpdate(context.Background(), obj, old)

	return obj, invalid(obj, strategy.ValidateUpdate(context.Background(), obj, old))
}

func (s server) decode(manifest string) (*unstructured.Unstructured, resource, error) {
	obj := &unstructured.Unstructured{}
	if err := yaml.UnmarshalStrict([]byte(manifest), &obj.Object); err != nil {
		return nil, resource{}, err
	}

	r, ok := s[obj.GroupVersionKind()]
	if !ok {
		return nil, resource{}, fmt.Errorf("no matches for kind %s", obj.GroupVersionKind())
	}

	unknown := pruning.PruneWithOptions(obj.Object, r.schema, true, structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	if len(unknown) > 0 {
		return nil, resource{}, fmt.Errorf("unknown field %q", unknown[0])
	}

	defaulting.PruneNonNullableNullsWithoutDefaults(obj.Object, r.schema)
	defaulting.Default(obj.Object, r.schema)

	return obj, r, nil
}

func invalid(obj *unstructured.Unstructured, errs field.ErrorList) error {
	if len(errs) == 0 {
		return nil
	}

	return errors.New(apierrors.NewInvalid(obj.GroupVersionKind().GroupKind(), obj.GetName(), errs).Error())
}
