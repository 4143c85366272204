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

// ErrLost says that a namespace's identity cannot be used; an administrator decides.
var ErrLost = errors.New("the operator's identity for this namespace is lost")

// ConfigMapName is where a namespace finds the thumbprints of its operator.
const ConfigMapName = "mantle-identity"

// The keys of the ConfigMap.
const (
	KeySHA1   = "thumbprint"
	KeySHA256 = "thumbprint-sha256"
)

// remember is how long an answer is given from memory.
const remember = 10 * time.Second

// SecretName is the name of the Secret, in the operator's namespace, for a namespace.
func SecretName(namespace string) string { return "mantle-identity-" + namespace }

// Store gives identities.
type Store struct {
	reader    client.Reader
	writer    client.Client
	namespace string
	// namespaces tells the UID that a namespace has now; nil asks reader.
	namespaces client.Reader

	// decode opens a PFX, and patience is how long that is waited for.
	decode   func(pfx []byte, password string) (tls.Certificate, error)
	patience time.Duration

	mu     sync.Mutex
	spaces map[types.UID]*space
}

// New makes a Store whose Secrets are in the operator's namespace. reader reads past the cache.
func New(reader client.Reader, writer client.Client, operatorNamespace string) *Store {
	return &Store{reader: reader, writer: writer, namespace: operatorNamespace, decode: decode, patience: patience, spaces: map[types.UID]*space{}}
}

// For is the operator's identity in a namespace.
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

// load reads or makes the Secret, sees that it is published, and tells which namespace it is for: the cache may lag. Of one
// that is being deleted it does not tell, as its identity is not to be remembered.
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

// settle decides which Secret holds. One without the annotation was imported by an administrator: it is given to the
// namespace of today, so that a later one of the same name does not inherit it.
func (s *Store) settle(ctx context.Context, of *space, ns *corev1.Namespace, secret *corev1.Secret, published *corev1.ConfigMap) (*corev1.Secret, error) {
	name := s.namespace + "/" + SecretName(ns.Name)
	if secret == nil {
		if published != nil {
			return nil, fmt.Errorf("%w: Secret %s is gone, but ConfigMap %s tells of it; restore the Secret from a backup, or delete the ConfigMap to get a new identity, which every machine must then trust",
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
	return nil, fmt.Errorf("%w: Secret %s was made for an earlier namespace of this name; annotate it with %s=keep to go on with it, or =renew to get a new identity",
		ErrLost, name, v1alpha1.AnnotationIdentity)
}

// adopt takes an imported Secret, once it is seen to hold a certificate and its key.
func (s *Store) adopt(ctx context.Context, of *space, ns *corev1.Namespace, secret *corev1.Secret) (*corev1.Secret, error) {
	if _, _, err := s.parse(of, ns.Name, secret); err != nil {
		return nil, err
	}
	return s.update(ctx, ns, secret, nil)
}

func generate(namespace string) (map[string][]byte, error) {
	certificate, key, err := halibut.NewIdentity("Mantle operator for "+namespace, halibut.ECDSA)
	if err != nil {
		return nil, fmt.Errorf("making an identity for namespace %s: %w", namespace, err)
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
	if err != nil { // also where another leader was faster: the next look finds and judges its Secret
		return nil, fmt.Errorf("writing the identity of namespace %s: %w", ns.Name, err)
	}
	return secret, nil
}

// update gives the Secret to the namespace of today, with another key where one is given.
func (s *Store) update(ctx context.Context, ns *corev1.Namespace, secret *corev1.Secret, data map[string][]byte) (*corev1.Secret, error) {
	secret = secret.DeepCopy()
	metav1.SetMetaDataAnnotation(&secret.ObjectMeta, v1alpha1.AnnotationNamespaceUID, string(ns.UID))
	delete(secret.Annotations, v1alpha1.AnnotationIdentity)
	if data != nil {
		secret.Data = data
	}
	if err := s.writer.Update(ctx, secret); err != nil {
		return nil, fmt.Errorf("giving the identity to namespace %s: %w", ns.Name, err)
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

// publish writes the thumbprints into the namespace.
func (s *Store) publish(ctx context.Context, namespace string, leaf *x509.Certificate, published *corev1.ConfigMap) error {
	data := map[string]string{KeySHA1: string(halibut.SHA1Thumbprint(leaf)), KeySHA256: string(halibut.SHA256Thumbprint(leaf))}
	if published != nil && published.Data[KeySHA1] == data[KeySHA1] && published.Data[KeySHA256] == data[KeySHA256] {
		return nil
	}
	var err error
	if published == nil {
		err = s.writer.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: ConfigMapName}, Data: data})
	} else {
		cm := published.DeepCopy() // what others noted on it stays
		cm.Data = data
		err = s.writer.Update(ctx, cm)
	}
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("publishing the thumbprints in namespace %s: %w", namespace, err)
	}
	return nil
}
