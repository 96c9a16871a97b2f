//! Distinguished names.

use crate::der::{DerError, Reader, Writer, tag};

use super::oid;

/// The attributes of a distinguished name that SPIFFE's certificates use; others are dropped when a name is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Name {
    /// `C`.
    pub country: Vec<String>,
    /// `O`.
    pub organization: Vec<String>,
    /// `OU`.
    pub organizational_unit: Vec<String>,
    /// `CN`.
    pub common_name: Option<String>,
    /// `serialNumber`.
    pub serial_number: Option<String>,
}

impl Name {
    /// A name of one country and one organization.
    pub fn of(country: &str, organization: &str) -> Self {
        Self { country: vec![country.to_owned()], organization: vec![organization.to_owned()], ..Self::default() }
    }

    /// Whether no attribute is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// DER in the order in which Go writes names: C, O, OU, CN, serialNumber; values of one attribute share a set.
    pub fn to_der(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(64);
        self.write(&mut writer);
        writer.into_bytes()
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.sequence(|w| {
            attribute(w, oid::COUNTRY, &self.country);
            attribute(w, oid::ORGANIZATION, &self.organization);
            attribute(w, oid::ORGANIZATIONAL_UNIT, &self.organizational_unit);
            attribute(w, oid::COMMON_NAME, self.common_name.as_slice());
            attribute(w, oid::SERIAL_NUMBER, self.serial_number.as_slice());
        });
    }

    /// Reads the content of a Name.
    pub(super) fn read(mut sets: Reader<'_>) -> Result<Self, DerError> {
        let mut name = Self::default();
        while !sets.is_empty() {
            let mut set = sets.constructed(tag::SET)?;
            while !set.is_empty() {
                let mut pair = set.constructed(tag::SEQUENCE)?;
                let kind = pair.expect(tag::OID)?.content;
                let value = pair.value()?;
                pair.end()?;
                // Other string types have no place in names that this product looks at.
                let (tag::UTF8_STRING | tag::PRINTABLE_STRING | tag::IA5_STRING) = value.tag else { continue };
                let text = std::str::from_utf8(value.content).map_err(|_| DerError::Value)?.to_owned();
                match kind {
                    kind if kind == oid::COUNTRY => name.country.push(text),
                    kind if kind == oid::ORGANIZATION => name.organization.push(text),
                    kind if kind == oid::ORGANIZATIONAL_UNIT => name.organizational_unit.push(text),
                    kind if kind == oid::COMMON_NAME => name.common_name = Some(text),
                    kind if kind == oid::SERIAL_NUMBER => name.serial_number = Some(text),
                    _ => {}
                }
            }
        }
        Ok(name)
    }
}

/// The name as Go's `pkix.Name.String` prints it: `SERIALNUMBER=…,CN=…,OU=…,O=…,C=…`.
impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = [
            ("SERIALNUMBER", self.serial_number.as_slice()),
            ("CN", self.common_name.as_slice()),
            ("OU", self.organizational_unit.as_slice()),
            ("O", self.organization.as_slice()),
            ("C", self.country.as_slice()),
        ];
        let mut first = true;
        for (label, values) in parts {
            for (index, value) in values.iter().enumerate() {
                let separator = match (first, index) {
                    (true, 0) => "",
                    (false, 0) => ",",
                    _ => "+",
                };
                write!(f, "{separator}{label}={}", Escaped(value))?;
                first = false;
            }
        }
        Ok(())
    }
}

/// A value with the characters escaped that RFC 2253 (section 2.4) names.
struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let last = self.0.chars().count().saturating_sub(1);
        for (index, c) in self.0.chars().enumerate() {
            let escape = match c {
                ',' | '+' | '"' | '\\' | '<' | '>' | ';' => true,
                ' ' => index == 0 || index == last,
                '#' => index == 0,
                _ => false,
            };
            write!(f, "{}{c}", if escape { "\\" } else { "" })?;
        }
        Ok(())
    }
}

fn attribute(writer: &mut Writer, kind: &[u8], values: &[String]) {
    if values.is_empty() {
        return;
    }
    writer.constructed(tag::SET, |w| {
        for value in values {
            w.sequence(|w| {
                w.oid(kind);
                let tag = if value.bytes().all(is_printable) { tag::PRINTABLE_STRING } else { tag::UTF8_STRING };
                w.value(tag, value.as_bytes());
            });
        }
    });
}

/// The characters of PrintableString (X.680, 41.4).
fn is_printable(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_and_print_as_in_go() {
        let name = Name {
            country: vec!["US".into()],
            organization: vec!["A, B".into()],
            organizational_unit: vec!["x".into(), "y".into()],
            common_name: Some("ü".into()),
            serial_number: Some("12".into()),
        };
        let der = name.to_der();
        assert_eq!(Name::read(Reader::single(&der, tag::SEQUENCE).unwrap()).unwrap(), name);
        assert_eq!(name.to_string(), "SERIALNUMBER=12,CN=ü,OU=x+OU=y,O=A\\, B,C=US");
    }
}
