//! HTML forms and query strings.

/// The fields of a form or a query string, as the client sent them.
#[derive(Debug, Clone, Default)]
pub(crate) struct FormFields(Vec<(String, String)>);

impl FormFields {
    /// The most fields that are read.
    const MAX: usize = 20;

    /// Parses a form. Text that is not UTF-8 gets replacement characters, which no field accepts.
    pub(crate) fn parse(encoded: &[u8]) -> Self {
        let fields = form_urlencoded::parse(encoded).take(Self::MAX);
        Self(fields.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    /// These fields.
    pub(crate) fn of(fields: &[(&str, &str)]) -> Self {
        Self(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    /// This field alone.
    pub(crate) fn only(&self, field: &str) -> Self {
        Self(self.0.iter().filter(|(name, _)| name == field).cloned().collect())
    }

    /// The text of a field. A missing field is empty.
    pub(crate) fn get(&self, field: &str) -> &str {
        self.0.iter().find(|(name, _)| name == field).map_or("", |(_, value)| value)
    }

    /// Whether the field is there, even if it is empty.
    pub(crate) fn contains(&self, field: &str) -> bool {
        self.0.iter().any(|(name, _)| name == field)
    }
}
