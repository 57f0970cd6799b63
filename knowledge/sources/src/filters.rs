//! Include and exclude patterns. A pattern with `*` or `?` is a glob over the whole path (`*` crosses `/`, as in robots.txt); any other is found anywhere in it.

/// What to take and what to leave out. Nothing in `include` takes everything; `exclude` wins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters {
    pub include: Vec<String>,
    pub exclude: Vec<String>,
}

/// Several filters; all must agree.
#[derive(Debug, Clone, Default)]
pub(crate) struct Matcher {
    filters: Vec<Filters>,
}

impl Matcher {
    pub(crate) fn new<'a>(filters: impl IntoIterator<Item = &'a Filters>) -> Self {
        Self { filters: filters.into_iter().cloned().collect() }
    }

    /// Whether `path` (a URL's path, an object's key) is taken.
    pub(crate) fn takes(&self, path: &str) -> bool {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern.trim(), path));
        self.filters.iter().all(|one| (one.include.is_empty() || any(&one.include)) && !any(&one.exclude))
    }

    /// Whether an archive is opened: what is to be included is asked of its members.
    pub(crate) fn takes_archive(&self, path: &str) -> bool {
        !self.filters.iter().any(|one| one.exclude.iter().any(|pattern| matches(pattern.trim(), path)))
    }
}

fn matches(pattern: &str, path: &str) -> bool {
    if pattern.contains(['*', '?']) { glob(&pattern.chars().collect::<Vec<_>>(), &path.chars().collect::<Vec<_>>()) } else { path.contains(pattern) }
}

/// Glob by going back to the last `*` alone: quadratic at worst, never exponential.
fn glob(pattern: &[char], text: &[char]) -> bool {
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == '?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((star_p, star_t)) = star else { return false };
                star = Some((star_p, star_t + 1));
                p = star_p + 1;
                t = star_t + 1;
            }
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(include: &[&str], exclude: &[&str], path: &str) -> bool {
        let own = |list: &[&str]| list.iter().map(|&s| s.to_owned()).collect();
        Matcher::new([&Filters { include: own(include), exclude: own(exclude) }]).takes(path)
    }

    #[test]
    fn no_filter_takes_everything() {
        assert!(takes(&[], &[], "/anything"));
    }

    #[test]
    fn a_glob_covers_the_whole_path_and_a_plain_pattern_any_part() {
        assert!(takes(&["/docs/*"], &[], "/docs/a/b.html"));
        assert!(!takes(&["/docs/*"], &[], "/x/docs/a"));
        assert!(takes(&["docs"], &[], "/x/docs/a"));
        assert!(takes(&["*.pdf"], &[], "/a/b.pdf"));
        assert!(!takes(&["*.pdf"], &[], "/a/b.pdf.html"));
        assert!(takes(&["/p?"], &[], "/p1") && !takes(&["/p?"], &[], "/p12"));
    }

    #[test]
    fn exclude_wins() {
        assert!(!takes(&["/docs/*"], &["draft"], "/docs/draft/a"));
    }
}
