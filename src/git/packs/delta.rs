//! Deltas as packs have them (gitformat-pack(5), "Deltified representation"): the lengths of what they are made from and of what they make, then
//! instructions, each to copy a part of the former or to insert bytes of its own.

/// A delta, inflated.
pub(super) struct Delta<'bytes> {
    /// Bytes of what it is made from.
    pub(super) base_len: usize,
    /// Bytes of what it makes.
    pub(super) len: usize,
    instructions: &'bytes [u8],
}

impl<'bytes> Delta<'bytes> {
    /// `None` if it has no lengths.
    pub(super) fn of(bytes: &'bytes [u8]) -> Option<Self> {
        let (base_len, rest) = length(bytes)?;
        let (len, instructions) = length(rest)?;
        Some(Self { base_len, len, instructions })
    }

    /// Puts what it makes from `base` at the end of `made`, which has to be empty. `None` if it isn't sound; what is in `made` then is of no use.
    pub(super) fn apply(&self, base: &[u8], made: &mut Vec<u8>) -> Option<()> {
        made.reserve(self.len);
        let mut rest = self.instructions;
        while let Some((&instruction, after)) = rest.split_first() {
            let part = if instruction & 0x80 == 0 {
                // Nothing to insert is reserved, and empty: what follows can't be right then.
                let (part, after) =
                    after.split_at_checked(usize::from(instruction)).filter(|(part, _)| !part.is_empty())?;
                rest = after;
                part
            } else {
                let (offset, after) = number(instruction & 0x0f, after)?;
                let (len, after) = number(instruction >> 4 & 0x07, after)?;
                rest = after;
                let len = if len == 0 { 0x1_0000 } else { len };
                base.get(offset..offset.checked_add(len)?)?
            };
            if part.len() > self.len - made.len() {
                return None;
            }
            made.extend_from_slice(part);
        }
        (made.len() == self.len).then_some(())
    }
}

/// A length at the start of `bytes`, seven bits in each, the lowest first; and what follows.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut length = 0_usize;
    for (at, byte) in bytes.iter().enumerate() {
        let bits = usize::from(byte & 0x7f);
        length |= bits.checked_shl(7 * u32::try_from(at).ok()?).filter(|shifted| shifted >> (7 * at) == bits)?;
        if byte & 0x80 == 0 {
            return Some((length, &bytes[at + 1..]));
        }
    }
    None
}

/// A number at the start of `bytes`, of which `present` says which bytes are there, the lowest first; and what follows.
fn number(present: u8, mut bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut number = 0;
    for place in 0..4 {
        if present & 1 << place != 0 {
            let (&byte, rest) = bytes.split_first()?;
            number |= usize::from(byte) << (8 * place);
            bytes = rest;
        }
    }
    Some((number, bytes))
}
