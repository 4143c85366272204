package identity

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/optional"
	"github.com/mantledeploy/mantle/controllers/internal/session"
)

// ErrLost says that a namespace's identity cannot be used. An administrator must decide what to do.
var ErrLost = errors.New("the operator's identity for this namespace is lost")

// ConfigMapName is the ConfigMap in a tenant's namespace with the operator's thumbprints.
const ConfigMapName = "mantle-identity"

// The keys of the ConfigMap.
const (
	KeySHA1   = "thumbprint"
	KeySHA256 = "thumbprint-sha256"
)

// remember is how long an identity is used from memory.
const remember = 10 * time.Second

// SecretName returns the name of a namespace's Secret in the operator's namespace.
func SecretName(namespace string) string { return "mantle-identity-" + namespace }

// Store reads and creates identities.
type Store struct {
	reader    client.Reader
	writer    client.Client
	namespace string
	// namespaces reads the present UID of a namespace from a cache; if it is nil, reader is used.
	namespaces client.Reader

	// decode opens a PFX, and decryptTimeout is how long to wait for that.
	decode         func(pfx []byte, password string) (tls.Certificate, error)
	decryptTimeout time.Duration

	mu     sync.Mutex
	spaces map[types.UID]*space
}

// New returns a Store whose Secrets are in the operator's namespace. reader must read from the API server, not from a
// cache.
func New(reader client.Reader, writer client.Client, operatorNamespace string) *Store {
	return &Store{reader: reader, writer: writer, namespace: operatorNamespace, decode: decode, decryptTimeout: decryptTimeout, spaces: map[types.UID]*space{}}
}

// For returns the operator's identity for a namespace.
func (s *Store) For(ctx context.Context, namespace string) (*session.Identity, error) {
	uid, err := s.uid(ctx, namespace)
	if err != nil {
		return nil, err
	}
	of := s.space(uid, namespace)
	of.loading.Lock()
	defer of.loading.Unlock()
	if of.identity != nil && time.Now().Before(of.until) {
		return of.identity, nil
	}
	of.identity = nil
	identity, now, err := s.load(ctx, of, namespace)
	if err != nil {
		return nil, err
	}
	if now == uid {
		of.identity, of.until = identity, time.Now().Add(remember)
	}
	return identity, nil
}

// load reads or creates the Secret and publishes its thumbprints. It returns the UID of the namespace, which can be
// newer than the cache; empty if the namespace is being deleted, so that its identity is not remembered.
func (s *Store) load(ctx context.Context, of *space, namespace string) (*session.Identity, types.UID, error) {
	var ns corev1.Namespace
	if err := s.reader.Get(ctx, types.NamespacedName{Name: namespace}, &ns); err != nil {
		return nil, "", fmt.Errorf("reading namespace %s: %w", namespace, err)
	}
	published, err := optional.Get(ctx, s.reader, namespace, ConfigMapName, &corev1.ConfigMap{})
	if err != nil {
		return nil, "", fmt.Errorf("reading ConfigMap %s in namespace %s: %w", ConfigMapName, namespace, err)
	}
	secret, err := optional.Get(ctx, s.reader, s.namespace, SecretName(namespace), &corev1.Secret{})
	if err != nil {
		return nil, "", fmt.Errorf("reading Secret %s in namespace %s: %w", SecretName(namespace), s.namespace, err)
	}
	if secret, err = s.settle(ctx, of, &ns, secret, published); err != nil {
		return nil, "", err
	}
	identity, leaf, err := s.parse(of, namespace, secret)
	if err != nil {
		return nil, "", err
	}
	if !ns.DeletionTimestamp.IsZero() {
		ns.UID = ""
	}
	return identity, ns.UID, s.publish(ctx, namespace, leaf, published)
}

// settle returns the Secret to use. A Secret without the annotation was created by an administrator: it is bound to the
// present namespace, so that a later one of the same name does not get it.
func (s *Store) settle(ctx context.Context, of *space, ns *corev1.Namespace, secret *corev1.Secret, published *corev1.ConfigMap) (*corev1.Secret, error) {
	name := s.namespace + "/" + SecretName(ns.Name)
	if secret == nil {
		if published != nil {
			return nil, fmt.Errorf("%w: Secret %s does not exist, but ConfigMap %s has its thumbprints; restore the Secret from a backup, or delete the ConfigMap to get a new identity, which every machine must then trust",
				ErrLost, name, ConfigMapName)
		}
		return s.create(ctx, ns)
	}
	switch secret.Annotations[v1alpha1.AnnotationNamespaceUID] {
	case string(ns.UID):
		return secret, nil
	case "":
		return s.adopt(ctx, of, ns, secret)
	}
	switch secret.Annotations[v1alpha1.AnnotationIdentity] {
	case "keep":
		return s.update(ctx, ns, secret, nil)
	case "renew":
		data, err := generate(ns.Name)
		if err != nil {
			return nil, err
		}
		return s.update(ctx, ns, secret, data)
	}
	return nil, fmt.Errorf("%w: Secret %s was created for an earlier namespace of this name; annotate it with %s=keep to keep using it, or =renew to get a new identity",
		ErrLost, name, v1alpha1.AnnotationIdentity)
}

// adopt binds an imported Secret to the namespace, if it contains a certificate and its key.
func (s *Store) adopt(ctx context.Context, of *space, ns *corev1.Namespace, secret *corev1.Secret) (*corev1.Secret, error) {
	if _, _, err := s.parse(of, ns.Name, secret); err != nil {
		return nil, err
	}
	return s.update(ctx, ns, secret, nil)
}

func generate(namespace string) (map[string][]byte, error) {
	certificate, key, err := halibut.NewIdentity("Mantle operator for "+namespace, halibut.ECDSA)
	if err != nil {
		return nil, fmt.Errorf("creating an identity for namespace %s: %w", namespace, err)
	}
	return map[string][]byte{corev1.TLSCertKey: certificate, corev1.TLSPrivateKeyKey: key}, nil
}

func (s *Store) create(ctx context.Context, ns *corev1.Namespace) (*corev1.Secret, error) {
	data, err := generate(ns.Name)
	if err != nil {
		return nil, err
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: SecretName(ns.Name),
			Annotations: map[string]string{v1alpha1.AnnotationNamespaceUID: string(ns.UID)}},
		Type: corev1.SecretTypeTLS, Data: data,
	}
	err = s.writer.Create(ctx, secret)
	if err != nil { // also if another leader was faster: the next call reads its Secret
		return nil, fmt.Errorf("writing the identity of namespace %s: %w", ns.Name, err)
	}
	return secret, nil
}

// update binds the Secret to the present namespace, and replaces its data if data is not nil.
func (s *Store) update(ctx context.Context, ns *corev1.Namespace, secret *corev1.Secret, data map[string][]byte) (*corev1.Secret, error) {
	secret = secret.DeepCopy()
	metav1.SetMetaDataAnnotation(&secret.ObjectMeta, v1alpha1.AnnotationNamespaceUID, string(ns.UID))
	delete(secret.Annotations, v1alpha1.AnnotationIdentity)
	if data != nil {
		secret.Data = data
	}
	if err := s.writer.Update(ctx, secret); err != nil {
		return nil, fmt.Errorf("assigning the identity to namespace %s: %w", ns.Name, err)
	}
	return secret, nil
}

func (s *Store) parse(of *space, namespace string, secret *corev1.Secret) (*session.Identity, *x509.Certificate, error) {
	pair, err := s.pair(of, secret)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: Secret %s: %w", ErrLost, secret.Name, err)
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return nil, nil, fmt.Errorf("%w: the certificate in Secret %s cannot be read: %w", ErrLost, secret.Name, err)
	}
	return &session.Identity{Namespace: namespace, Certificate: pair, Thumbprint: halibut.SHA256Thumbprint(leaf)}, leaf, nil
}

// publish writes the thumbprints to the namespace's ConfigMap.
func (s *Store) publish(ctx context.Context, namespace string, leaf *x509.Certificate, published *corev1.ConfigMap) error {
	data := map[string]string{KeySHA1: string(halibut.SHA1Thumbprint(leaf)), KeySHA256: string(halibut.SHA256Thumbprint(leaf))}
	if published != nil && published.Data[KeySHA1] == data[KeySHA1] && published.Data[KeySHA256] == data[KeySHA256] {
		return nil
	}
	var err error
	if published == nil {
		err = s.writer.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: ConfigMapName}, Data: data})
	} else {
		cm := published.DeepCopy() // keep its labels and annotations
		cm.Data = data
		err = s.writer.Update(ctx, cm)
	}
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("publishing the thumbprints in namespace %s: %w", namespace, err)
	}
	return nil
}
