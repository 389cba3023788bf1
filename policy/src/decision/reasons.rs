//! Steps, reasons and attributes that a decision names. Closed lists with a fixed word for each, because records,
//! reports and people quote them.

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant),+
        }

        impl $name {
            /// Every one, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word for it in records and reports.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.word())
            }
        }
    };
}

words! {
    /// The question whose answer settled the launch.
    DecidingStep {
        /// Elevation is not managed on the device.
        NotActive = "not_active",
        /// The user is a local administrator.
        LocalAdministrator = "local_administrator",
        /// The parent was elevated, and its rule speaks for its children.
        ParentRule = "parent_rule",
        /// The file cannot be elevated.
        FileNotSupported = "file_not_supported",
        /// A deny rule matched.
        Deny = "deny",
        /// One rule matched, so nothing had to be compared.
        OnlyCandidate = "only_candidate",
        /// A rule deployed to the user beat one deployed to the device.
        UserTarget = "user_target",
        /// A rule with a hash beat one without.
        Hash = "hash",
        /// The rule with more attributes won.
        AttributeCount = "attribute_count",
        /// The order of elevation types decided.
        TypeOrder = "type_order",
        /// Everything else was equal, and the lesser rule id won.
        RuleId = "rule_id",
        /// The rule that won lists arguments, and another one was given.
        Arguments = "arguments",
        /// An ordinary launch, on which only an automatic rule acts.
        OrdinaryLaunch = "ordinary_launch",
        /// No rule matched, and the user asked for elevated access.
        DefaultResponse = "default_response",
        /// No rule matched a child, to which no default response applies.
        NoRule = "no_rule",
    }
}

words! {
    /// Where the answer came from.
    DecisionSource {
        /// A rule, the launch's own or its parent's.
        Rule = "rule",
        /// The default response.
        DefaultResponse = "default_response",
        /// An approval by support.
        Approval = "approval",
        /// None of them: nothing was managed.
        None = "none",
    }
}

words! {
    /// Why a rule that matched did not win.
    LossReason {
        /// A deny rule matched.
        DenyRule = "deny_rule",
        /// A rule deployed to the user matched, and this one is deployed to the device.
        UserTarget = "user_target",
        /// A rule with a hash matched, and this one has none.
        Hash = "hash",
        /// The winner has more attributes.
        AttributeCount = "attribute_count",
        /// The winner's elevation type goes first.
        TypeOrder = "type_order",
        /// All else equal, the winner's id is less.
        RuleId = "rule_id",
        /// The rule or its policy only reports.
        ReportOnly = "report_only",
        /// It would have won, but on an ordinary launch only an automatic rule acts.
        OrdinaryLaunch = "ordinary_launch",
        /// It would have won, but administrators are not managed.
        LocalAdministrator = "local_administrator",
    }
}

words! {
    /// What settled it between two rules that the product calls equal.
    TieBreak {
        /// The order of elevation types.
        TypeOrder = "type_order",
        /// The order of ids.
        RuleId = "rule_id",
    }
}

words! {
    /// What a rule can be about.
    RuleAttribute {
        /// Whom its policy is assigned to.
        Assignment = "assignment",
        /// File name.
        FileName = "file_name",
        /// Folder.
        FilePath = "file_path",
        /// SHA-256.
        FileHash = "file_hash",
        /// Certificate or package.
        Signature = "signature",
        /// Minimum version.
        MinimumVersion = "minimum_version",
        /// File description.
        FileDescription = "file_description",
        /// Product name.
        ProductName = "product_name",
        /// Internal name.
        InternalName = "internal_name",
        /// Parent process.
        ParentPath = "parent_path",
        /// Time window.
        Time = "time",
        /// Device groups.
        DeviceGroups = "device_groups",
    }
}

words! {
    /// How an attribute failed.
    MissReason {
        /// The fact is another one.
        Different = "different",
        /// The fact is not known.
        Unknown = "unknown",
    }
}
