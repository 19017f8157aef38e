use crate::Name;

/// The sender's own name for an event, and whether the signature covers it.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub enum EventId {
    /// The sender names none, or not in this delivery.
    #[default]
    None,
    /// Covered by the signature: nobody else can have chosen it.
    Signed(Name),
    /// Not covered: whoever replays the delivery may have written it.
    Unsigned(Name),
}

impl EventId {
    /// An id that the signature covers.
    #[inline]
    #[must_use]
    pub fn signed(id: impl Into<Name>) -> Self {
        Self::Signed(id.into())
    }

    /// An id that the signature does not cover.
    #[inline]
    #[must_use]
    pub fn unsigned(id: impl Into<Name>) -> Self {
        Self::Unsigned(id.into())
    }

    /// The id, whether signed or not.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::None => None,
            Self::Signed(id) | Self::Unsigned(id) => Some(id),
        }
    }

    /// Whether the signature covers it.
    #[must_use]
    pub const fn is_signed(&self) -> bool {
        matches!(self, Self::Signed(_))
    }
}
