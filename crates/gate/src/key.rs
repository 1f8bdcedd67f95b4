//! An RSA public key with which somebody signs: from PEM, as an operator pins it or as it is fetched.

use std::fmt;

use jiff::Timestamp;
use ring::signature::{
    RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
    UnparsedPublicKey,
};
use rustls_pki_types::pem::{PemObject as _, SectionKind};
use x509_cert::Certificate;
use x509_cert::der::asn1::{ObjectIdentifier, UintRef};
use x509_cert::der::{Decode as _, Error, Reader as _, SliceReader};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::time::Time;

/// Fewer bits prove nothing: 1024 is what the signature library accepts at least.
const FEWEST_BITS: usize = 1024;

/// What the only captured request of Alibaba's message service was signed with.
const NO_PROOF_BITS: usize = 512;

/// A modulus of 512 bits was factored within hours, for some 75 dollars, in 2015: Valenta and others, "Factoring as a Service"
/// (<https://eprint.iacr.org/2015/1000>).
const NO_PROOF: &str = "an RSA key of at least 1024 bits; this is a key of 512 bits: no proof, because anybody can find out its private half \
                        (if the sender has no other key, leave this check out, and let a secret path over HTTPS decide)";

/// More bits than anybody uses only cost time: what the signature library accepts at most.
const MOST_BITS: usize = 8192;

/// Fewer bits than these are a warning: <https://nvlpubs.nist.gov/nistpubs/SpecialPublications/NIST.SP.800-131Ar2.pdf>
/// (section 3: 1024 bits only for verification of what is old). JD Cloud does not say how many its key has.
const GOOD_BITS: usize = 2048;

/// The most keys one file may hold; a rotation needs two.
const MOST_KEYS: usize = 16;

/// `rsaEncryption`: <https://www.rfc-editor.org/rfc/rfc8017#appendix-C>.
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// A hash under an RSA signature, with PKCS#1 v1.5 padding in either case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha1,
    Sha256,
}

/// An RSA key of 1024 to 8192 bits, and what the certificate it came in says about it.
#[derive(Clone)]
pub(crate) struct Key {
    /// `RSAPublicKey` of PKCS#1.
    der: Vec<u8>,
    bits: usize,
    certificate: Option<About>,
}

/// What a certificate says beside its key.
#[derive(Clone)]
struct About {
    names: Vec<String>,
    begins: Timestamp,
    ends: Timestamp,
}

impl Key {
    /// Every key in a PEM text: of certificates and of bare public keys. Text around them is passed over.
    ///
    /// # Errors
    ///
    /// What was expected, if there is none, or any is not what it should be: a key that is quietly left out is missed
    /// on the day of the rotation.
    pub(crate) fn all(pem: &[u8]) -> Result<Vec<Self>, &'static str> {
        const OTHERS: &str = "certificates and public keys only (BEGIN CERTIFICATE, BEGIN PUBLIC KEY)";
        let mut keys = Vec::new();
        for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(pem) {
            let (kind, der) = section.map_err(|_| "PEM that is whole")?;
            match kind {
                SectionKind::Certificate => keys.push(Self::of_certificate(&der)?),
                SectionKind::PublicKey => keys.push(Self::of_public_key(&der)?),
                SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey => {
                    return Err(
                        "certificates and public keys only; there is a private key, which belongs to the \
                                sender alone",
                    );
                }
                _ => return Err(OTHERS),
            }
            if keys.len() > MOST_KEYS {
                return Err("at most 16 keys");
            }
        }
        // The reader passes over sections of kinds it does not know.
        let sections =
            pem.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"-----BEGIN")).count();
        if sections > keys.len() {
            return Err(OTHERS);
        }
        if keys.is_empty() {
            return Err("a certificate or a public key in PEM");
        }
        Ok(keys)
    }

    /// The first key in what was fetched. Further certificates there are the chain of the first, and whoever may issue
    /// certificates may not therefore sign messages.
    pub(crate) fn first(pem: &[u8]) -> Result<Self, &'static str> {
        let mut sections = <(SectionKind, Vec<u8>)>::pem_slice_iter(pem);
        match sections.next() {
            Some(Ok((SectionKind::Certificate, der))) => Self::of_certificate(&der),
            Some(Ok((SectionKind::PublicKey, der))) => Self::of_public_key(&der),
            _ => Err("a certificate or a public key in PEM"),
        }
    }

    fn of_certificate(der: &[u8]) -> Result<Self, &'static str> {
        const EXPECTED: &str = "an X.509 certificate";
        let certificate = Certificate::from_der(der).map_err(|_| EXPECTED)?;
        let signed = certificate.tbs_certificate();
        let alternative = signed.get_extension::<SubjectAltName>().map_err(|_| EXPECTED)?;
        let names = match alternative {
            Some((_, SubjectAltName(names))) => names
                .iter()
                .filter_map(|name| match name {
                    GeneralName::DnsName(name) => Some(name.as_str().to_owned()),
                    _ => None,
                })
                .collect(),
            // Only without alternative names does the common name count: https://www.rfc-editor.org/rfc/rfc6125#section-6.4.4
            None => {
                let name = signed.subject().common_name().ok().flatten();
                name.map(|name| name.value().into_owned()).into_iter().collect()
            }
        };
        let validity = signed.validity();
        let begins = timestamp(validity.not_before).ok_or(EXPECTED)?;
        let ends = timestamp(validity.not_after).ok_or(EXPECTED)?;
        Self::of_info(signed.subject_public_key_info(), Some(About { names, begins, ends }))
    }

    fn of_public_key(der: &[u8]) -> Result<Self, &'static str> {
        let info = SubjectPublicKeyInfoOwned::from_der(der).map_err(|_| "a public key")?;
        Self::of_info(&info, None)
    }

    fn of_info(info: &SubjectPublicKeyInfoOwned, about: Option<About>) -> Result<Self, &'static str> {
        let AlgorithmIdentifierOwned { oid, .. } = info.algorithm;
        if oid != RSA {
            return Err("an RSA key");
        }
        let der = info.subject_public_key.as_bytes().ok_or("an RSA key")?;
        Self::new(der.to_vec(), about)
    }

    fn new(der: Vec<u8>, certificate: Option<About>) -> Result<Self, &'static str> {
        // A sequence of two numbers: https://www.rfc-editor.org/rfc/rfc8017#appendix-A.1.1
        let [modulus, exponent] = two_numbers(&der).map_err(|_| "an RSA key")?;
        let modulus = modulus.as_bytes();
        let [first, .., last] = modulus else { return Err("an RSA key of at least 1024 bits") };
        let bits = modulus.len() * 8 - first.leading_zeros() as usize;
        match bits {
            NO_PROOF_BITS => return Err(NO_PROOF),
            0..FEWEST_BITS => return Err("an RSA key of at least 1024 bits"),
            _ => {}
        }
        if bits > MOST_BITS {
            return Err("an RSA key of at most 8192 bits");
        }
        // What `ring` accepts (`rsa/public_exponent.rs`); said here, so that it is said when the key comes and not with
        // every signature.
        let exponent = exponent.as_bytes();
        let value = exponent.iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
        let exponent_is_good = exponent.len() <= 5 && (3..1 << 33).contains(&value) && value % 2 == 1;
        if last % 2 == 0 || !exponent_is_good {
            return Err("an RSA key with an odd modulus and an odd exponent from 3 to 2^33 - 1");
        }
        Ok(Self { der, bits, certificate })
    }

    /// Whether `signature` is this key's for `message`.
    pub(crate) fn verifies(&self, hash: Hash, message: &[u8], signature: &[u8]) -> bool {
        let algorithm = match hash {
            Hash::Sha1 => &RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
            Hash::Sha256 => &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
        };
        UnparsedPublicKey::new(algorithm, &self.der).verify(message, signature).is_ok()
    }

    /// Whether it came in a certificate for one of `names`.
    pub(crate) fn is_for(&self, names: &[String]) -> bool {
        self.certificate.as_ref().is_some_and(|about| {
            about.names.iter().any(|has| names.iter().any(|name| name.eq_ignore_ascii_case(has)))
        })
    }

    /// Whether its certificate holds at `now`; a bare key has no dates and always does.
    pub(crate) fn is_valid(&self, now: Timestamp) -> bool {
        self.certificate.as_ref().is_none_or(|about| about.begins <= now && now <= about.ends)
    }

    /// What an operator should know about it, each a sentence.
    pub(crate) fn warnings(&self, now: Timestamp) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.bits < GOOD_BITS {
            warnings.push(format!("the key has {} bits, fewer than {GOOD_BITS}", self.bits));
        }
        if let Some(about) = &self.certificate {
            let About { begins, ends, .. } = about;
            if now > *ends {
                warnings.push(format!("the certificate has expired ({ends})"));
            } else if now < *begins {
                warnings.push(format!("the certificate is not valid yet (from {begins})"));
            }
        }
        warnings
    }
}

fn two_numbers(der: &[u8]) -> x509_cert::der::Result<[UintRef<'_>; 2]> {
    let mut reader = SliceReader::new(der)?;
    let numbers = reader.sequence(|inner| Ok::<_, Error>([inner.decode()?, inner.decode()?]))?;
    reader.finish()?;
    Ok(numbers)
}

fn timestamp(time: Time) -> Option<Timestamp> {
    Timestamp::from_second(i64::try_from(time.to_unix_duration().as_secs()).ok()?).ok()
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key(RSA, {} bits)", self.bits)
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

/// The keys an operator has written into the settings.
#[derive(Clone, Debug)]
pub(crate) struct Pinned {
    /// The setting they came from, for warnings.
    pub(crate) place: String,
    pub(crate) keys: Vec<Key>,
}

impl Pinned {
    /// What an operator should know about these keys, each with the place.
    pub(crate) fn warnings(&self, now: Timestamp) -> Vec<String> {
        let warnings = self.keys.iter().flat_map(|key| key.warnings(now));
        warnings.map(|warning| format!("{}: {warning}", self.place)).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{KeyPair, PublicKeyData as _};

    use super::*;
    use crate::testing::{Signer, now, pem};

    fn error(pem: &str) -> &'static str {
        Key::all(pem.as_bytes()).unwrap_err()
    }

    #[test]
    fn certificates_and_bare_keys_are_read_and_verify() {
        let (one, other) = (Signer::one(), Signer::other());
        let text = format!("a note\n{}{}", one.plain_certificate(), other.public_key());
        let keys = Key::all(text.as_bytes()).unwrap();
        assert_eq!(keys.iter().map(|key| key.bits).collect::<Vec<_>>(), [1024, 1024]);
        for hash in [Hash::Sha1, Hash::Sha256] {
            let good = one.sign(hash, b"message");
            let wrong_hash = if hash == Hash::Sha1 { Hash::Sha256 } else { Hash::Sha1 };
            assert!(keys[0].verifies(hash, b"message", &good));
            assert!(keys[1].verifies(hash, b"message", &other.sign(hash, b"message")));
            for (case, key, hash, message, signature) in [
                ("other key", 1, hash, &b"message"[..], &good[..]),
                ("other hash", 0, wrong_hash, b"message", &good),
                ("other message", 0, hash, b"messagE", &good),
                ("truncated", 0, hash, b"message", &good[1..]),
                ("longer", 0, hash, b"message", &[&good[..], b"\0"].concat()),
                ("empty", 0, hash, b"message", b""),
                ("zeros", 0, hash, b"message", &[0; 128]),
                ("ones", 0, hash, b"message", &[0xff; 128]),
            ] {
                assert!(!keys[key].verifies(hash, message, signature), "{case}");
            }
        }
        // With the line ends of the other system.
        assert_eq!(Key::all(text.replace('\n', "\r\n").as_bytes()).unwrap(), keys);
    }

    #[test]
    fn of_what_is_fetched_only_the_first_counts() {
        let chain = format!("{}{}", Signer::one().plain_certificate(), Signer::other().plain_certificate());
        let first = Key::first(chain.as_bytes()).unwrap();
        assert_eq!(first, Key::all(chain.as_bytes()).unwrap()[0]);
        assert_eq!(Key::first(Signer::one().public_key().as_bytes()).unwrap(), first);
        for text in ["", "<html>", "-----BEGIN CERTIFICATE-----\n"] {
            assert!(Key::first(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_no_key_is_named() {
        let good = Signer::one().public_key();
        let elliptic = KeyPair::generate().unwrap();
        let weak = "an RSA key of at least 1024 bits";
        let odd = "an RSA key with an odd modulus and an odd exponent from 3 to 2^33 - 1";
        let element = |tag: u8, inner: &[u8]| {
            let length = u16::try_from(inner.len()).unwrap().to_be_bytes();
            // The shortest form of a length, as DER wants it.
            let head = match inner.len() {
                0..128 => vec![tag, length[1]],
                128..256 => vec![tag, 0x81, length[1]],
                _ => vec![tag, 0x82, length[0], length[1]],
            };
            [head, inner.to_vec()].concat()
        };
        let made = |modulus: &[u8], exponent: &[u8]| {
            element(0x30, &[element(0x02, modulus), element(0x02, exponent)].concat())
        };
        let modulus = |first: u8, length: usize, last: u8| {
            let mut modulus = vec![0; length + 1];
            modulus[1] = first;
            modulus[length] = last;
            modulus
        };
        for (case, der, expected) in [
            ("1024 bits", made(&modulus(0x80, 128, 1), &[3]), None),
            ("512 bits", made(&modulus(0x80, 64, 1), &[3]), Some(NO_PROOF)),
            ("511 bits", made(&modulus(0x40, 64, 1)[1..], &[3]), Some(weak)),
            ("1023 bits", made(&modulus(0x40, 128, 1)[1..], &[3]), Some(weak)),
            ("8192 bits", made(&modulus(0x80, 1024, 1), &[3]), None),
            ("8200 bits", made(&modulus(0x80, 1025, 1), &[3]), Some("an RSA key of at most 8192 bits")),
            ("even", made(&modulus(0x80, 128, 2), &[3]), Some(odd)),
            ("exponent 1", made(&modulus(0x80, 128, 1), &[1]), Some(odd)),
            ("exponent 4", made(&modulus(0x80, 128, 1), &[4]), Some(odd)),
            ("exponent 2^33 - 1", made(&modulus(0x80, 128, 1), &[1, 255, 255, 255, 255]), None),
            ("exponent 2^33 + 1", made(&modulus(0x80, 128, 1), &[2, 0, 0, 0, 1]), Some(odd)),
            ("exponent of 9 bytes", made(&modulus(0x80, 128, 1), &[1, 0, 0, 0, 0, 0, 0, 0, 1]), Some(odd)),
            ("trailing bytes", [made(&modulus(0x80, 128, 1), &[3]), vec![0]].concat(), Some("an RSA key")),
            ("nothing", vec![], Some("an RSA key")),
        ] {
            assert_eq!(Key::new(der, None).err(), expected, "{case}");
        }
        assert!(NO_PROOF.contains("a key of 512 bits: no proof"));
        // rsassaPss in place of rsaEncryption: the same numbers, for another kind of signature.
        let mut pss = Signer::one().subject_public_key_info();
        let oid = RSA.as_bytes();
        let last = pss.windows(oid.len()).position(|window| window == oid).unwrap() + oid.len() - 1;
        pss[last] = 10;
        let others = "certificates and public keys only (BEGIN CERTIFICATE, BEGIN PUBLIC KEY)";
        for (text, expected) in [
            (String::new(), "a certificate or a public key in PEM"),
            ("/etc/jd.pem".to_owned(), "a certificate or a public key in PEM"),
            (good.replace("-----END PUBLIC KEY-----", ""), "PEM that is whole"),
            (pem("PUBLIC KEY", b"abc"), "a public key"),
            (pem("CERTIFICATE", b"abc"), "an X.509 certificate"),
            (pem("RSA PUBLIC KEY", b"abc"), others),
            (format!("{good}{}", pem("CERTIFICATE REQUEST", b"abc")), others),
            (pem("PUBLIC KEY", &elliptic.subject_public_key_info()), "an RSA key"),
            (pem("PUBLIC KEY", &pss), "an RSA key"),
            (good.repeat(17), "at most 16 keys"),
        ] {
            assert_eq!(error(&text), expected, "{text:.60}");
        }
        assert!(error(&elliptic.serialize_pem()).contains("a private key"));
    }

    #[test]
    fn names_and_dates() {
        let names = |text: &str| Key::all(text.as_bytes()).unwrap().remove(0).certificate.unwrap().names;
        assert_eq!(names(&Signer::one().certificate("a.example", &[], 2040)), ["a.example"]);
        // Beside alternative names the common name counts for nothing.
        assert_eq!(names(&Signer::one().certificate("a.example", &["b.example"], 2040)), ["b.example"]);
        let key = Key::first(Signer::one().certificate("A.example", &[], 2025).as_bytes()).unwrap();
        assert!(key.is_for(&["x".into(), "a.example".into()]) && !key.is_for(&["example".into()]));
        let moment = |text: &str| text.parse::<Timestamp>().unwrap();
        for (at, valid) in [
            ("2019-12-31T23:59:59Z", false),
            ("2020-01-01T00:00:00Z", true),
            ("2025-12-31T00:00:00Z", true),
            ("2025-12-31T00:00:01Z", false),
        ] {
            assert_eq!(key.is_valid(moment(at)), valid, "{at}");
        }
        let bare = Key::first(Signer::one().public_key().as_bytes()).unwrap();
        assert!(bare.is_valid(Timestamp::MAX) && !bare.is_for(&["a.example".into()]));
    }

    #[test]
    fn warnings() {
        let key = Key::first(Signer::one().certificate("a", &[], 2025).as_bytes()).unwrap();
        let few = "the key has 1024 bits, fewer than 2048";
        assert_eq!(key.warnings(now()), [few, "the certificate has expired (2025-12-31T00:00:00Z)"]);
        let early = "2019-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(
            key.warnings(early),
            [few, "the certificate is not valid yet (from 2020-01-01T00:00:00Z)"]
        );
        let strong = Key { bits: 2048, ..Key::first(Signer::one().public_key().as_bytes()).unwrap() };
        assert_eq!(strong.warnings(now()), [""; 0]);
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), at in any::<prop::sample::Index>()) {
            let _ = Key::all(&bytes);
            for label in ["CERTIFICATE", "PUBLIC KEY"] {
                prop_assert!(Key::all(pem(label, &bytes).as_bytes()).is_err());
            }
            // A certificate with some bytes changed is as near to a good one as an attacker's gets.
            let mut text = Signer::one().plain_certificate().into_bytes();
            let at = at.index(text.len());
            for (place, byte) in text[at..].iter_mut().zip(&bytes) {
                *place = *byte;
            }
            let _ = Key::all(&text);
            let _ = Key::first(&text);
        }
    }
}
