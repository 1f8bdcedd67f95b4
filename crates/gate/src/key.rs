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
        if bits < FEWEST_BITS {
            return Err("an RSA key of at least 1024 bits");
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
