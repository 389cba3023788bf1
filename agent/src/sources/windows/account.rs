//! Accounts as Windows events name them, and whose they are. It must not take a service for a person.

use epm_proto::v1;

use super::image;

/// An account in an event. Absent parts are empty.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::sources) struct Account<'a> {
    pub(super) sid: &'a str,
    pub(super) domain: &'a str,
    pub(super) name: &'a str,
    pub(super) logon_id: Option<u64>,
}

/// The SID that stands for nobody.
const NULL_SID: &str = "S-1-0-0";
const NULL_SID_RENDERED: &str = "NULL SID";

/// LOCAL SYSTEM, LOCAL SERVICE and NETWORK SERVICE.
const SERVICE_SIDS: [&str; 3] = ["S-1-5-18", "S-1-5-19", "S-1-5-20"];

/// Services, application pools, virtual machines, the window manager and the font driver host: accounts without people.
const SERVICE_SID_PREFIXES: [&str; 5] = [
    "S-1-5-80-",
    "S-1-5-82-",
    "S-1-5-83-",
    "S-1-5-90-",
    "S-1-5-96-",
];

const SERVICE_DOMAINS: [&str; 6] = [
    "NT AUTHORITY",
    "NT SERVICE",
    "IIS APPPOOL",
    "NT VIRTUAL MACHINE",
    "WINDOW MANAGER",
    "FONT DRIVER HOST",
];

const SERVICE_NAMES: [&str; 4] = ["SYSTEM", "LOCAL SERVICE", "NETWORK SERVICE", "LOCALSYSTEM"];

/// Logon sessions of SYSTEM, NETWORK SERVICE and LOCAL SERVICE: the same in every language of Windows, which the names
/// of these accounts are not.
const SERVICE_LOGON_IDS: [u64; 3] = [0x3e7, 0x3e4, 0x3e5];

/// What machines that are in no domain write for one.
const WORKGROUP: &str = "WORKGROUP";

impl<'a> Account<'a> {
    /// An account written as `DOMAIN\name`, or only a name.
    pub(in crate::sources) fn from_qualified(text: &'a str, logon_id: Option<u64>) -> Self {
        let (domain, name) = text.split_once('\\').unwrap_or(("", text));
        Self {
            sid: "",
            domain: said(domain),
            name: said(name),
            logon_id,
        }
    }

    /// An account by its parts. Collectors that render events write a name, `DOMAIN\\name`, where the SID was.
    pub(super) fn from_parts(
        sid: &'a str,
        domain: &'a str,
        name: &'a str,
        logon_id: Option<u64>,
    ) -> Self {
        let (sid, domain, name) = (said(sid), said(domain), said(name));
        if sid == NULL_SID || sid.eq_ignore_ascii_case(NULL_SID_RENDERED) {
            return Self {
                sid: "",
                domain,
                name,
                logon_id,
            };
        }
        if sid.is_empty()
            || sid
                .get(..2)
                .is_some_and(|begin| begin.eq_ignore_ascii_case("S-"))
        {
            return Self {
                sid,
                domain,
                name,
                logon_id,
            };
        }
        let rendered = Self::from_qualified(sid, logon_id);
        match name {
            "" => rendered,
            _ => Self {
                sid: "",
                domain,
                name,
                logon_id,
            },
        }
    }

    /// Whether anything names it.
    pub(super) fn is_named(&self) -> bool {
        !self.name.is_empty() || !self.sid.is_empty()
    }

    /// Whose account it is; unspecified where nothing names it.
    pub(in crate::sources) fn class(&self) -> v1::AccountClass {
        if self.is_service() {
            v1::AccountClass::Service
        } else if self.is_named() {
            v1::AccountClass::Person
        } else {
            v1::AccountClass::Unspecified
        }
    }

    fn is_service(&self) -> bool {
        let is_one_of =
            |text: &str, list: &[&str]| list.iter().any(|known| known.eq_ignore_ascii_case(text));
        SERVICE_SIDS.contains(&self.sid)
            || SERVICE_SID_PREFIXES
                .iter()
                .any(|prefix| self.sid.starts_with(prefix))
            || self
                .logon_id
                .is_some_and(|id| SERVICE_LOGON_IDS.contains(&id))
            || self.name.ends_with('$')
            || is_one_of(self.domain, &SERVICE_DOMAINS)
            || is_one_of(self.name, &SERVICE_NAMES)
            || is_numbered(self.name, "DWM-")
            || is_numbered(self.name, "UMFD-")
    }

    /// `DOMAIN\name`, as much of it as there is.
    pub(super) fn qualified(&self) -> String {
        if self.domain.is_empty() || self.name.is_empty() {
            self.name.to_owned()
        } else {
            format!("{}\\{}", self.domain, self.name)
        }
    }

    /// Where a person's account is kept, as far as its domain and the name of its device `computer` tell.
    pub(super) fn user_type(&self, computer: &str) -> v1::UserType {
        if self.class() != v1::AccountClass::Person || self.domain.is_empty() {
            v1::UserType::Unspecified
        } else if self
            .domain
            .eq_ignore_ascii_case(image::short_host(computer))
            || self.domain.eq_ignore_ascii_case(WORKGROUP)
        {
            v1::UserType::Local
        } else {
            v1::UserType::Directory
        }
    }

    /// Whether `other` is the same account, as far as both say.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        if !self.sid.is_empty() && !other.sid.is_empty() {
            return self.sid.eq_ignore_ascii_case(other.sid);
        }
        self.name.to_lowercase() == other.name.to_lowercase()
            && (self.domain.is_empty()
                || other.domain.is_empty()
                || self.domain.to_lowercase() == other.domain.to_lowercase())
    }
}

fn said(text: &str) -> &str {
    let text = text.trim();
    if text == "-" { "" } else { text }
}

fn is_numbered(name: &str, prefix: &str) -> bool {
    let head = name.get(..prefix.len());
    let number = name.get(prefix.len()..).unwrap_or_default();
    head.is_some_and(|head| head.eq_ignore_ascii_case(prefix))
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(qualified: &str) -> v1::AccountClass {
        Account::from_qualified(qualified, None).class()
    }

    #[test]
    fn services_are_known_by_name() {
        for name in [
            "NT AUTHORITY\\SYSTEM",
            "nt authority\\network service",
            "OFFSEC\\FS01$",
            "NT SERVICE\\MSSQLSERVER",
            "IIS APPPOOL\\DefaultAppPool",
            "Window Manager\\DWM-1",
            "Font Driver Host\\UMFD-0",
            "DWM-12",
        ] {
            assert_eq!(class(name), v1::AccountClass::Service, "{name}");
        }
    }

    #[test]
    fn people_are_not_services() {
        for name in [
            "OFFSEC\\admmig",
            "admin",
            "SHIRE\\Administrator",
            "HOST\\dwm-person",
            "HOST\\systematic",
        ] {
            assert_eq!(class(name), v1::AccountClass::Person, "{name}");
        }
    }

    #[test]
    fn a_service_without_a_name_is_known_by_its_sid_or_session() {
        assert_eq!(
            Account::from_parts("S-1-5-18", "-", "-", None).class(),
            v1::AccountClass::Service
        );
        assert_eq!(
            Account::from_parts("S-1-5-82-1-2", "X", "pool", None).class(),
            v1::AccountClass::Service
        );
        assert_eq!(
            Account::from_qualified("AUTORITE NT\\Système", Some(0x3e7)).class(),
            v1::AccountClass::Service
        );
    }

    #[test]
    fn nobody_is_neither() {
        assert_eq!(
            Account::from_parts(NULL_SID, "-", "-", None).class(),
            v1::AccountClass::Unspecified
        );
        assert_eq!(class(""), v1::AccountClass::Unspecified);
    }

    #[test]
    fn a_null_sid_does_not_hide_a_real_name() {
        let account = Account::from_parts(NULL_SID, "OFFSEC", "admmig", None);
        assert_eq!(
            (account.class(), account.sid),
            (v1::AccountClass::Person, "")
        );
        assert_eq!(account.qualified(), "OFFSEC\\admmig");
    }

    #[test]
    fn a_name_in_place_of_a_sid_is_a_name() {
        let service = Account::from_parts("NT AUTHORITY\\SYSTEM", "-", "-", None);
        assert_eq!(service.class(), v1::AccountClass::Service);
        assert_eq!(
            (service.sid, service.domain, service.name),
            ("", "NT AUTHORITY", "SYSTEM")
        );
        let person = Account::from_parts("CONTOSO\\anna", "CONTOSO", "anna", None);
        assert_eq!(
            (person.sid, person.qualified().as_str()),
            ("", "CONTOSO\\anna")
        );
        let nobody = Account::from_parts("NULL SID", "-", "-", None);
        assert_eq!(nobody.class(), v1::AccountClass::Unspecified);
    }

    #[test]
    fn an_account_of_its_own_device_is_local() {
        let account = Account::from_qualified("fx-bs7\\admin", None);
        assert_eq!(
            account.user_type("FX-BS7.theshire.local"),
            v1::UserType::Local
        );
        assert_eq!(account.user_type("OTHER"), v1::UserType::Directory);
    }
}
