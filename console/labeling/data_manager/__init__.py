"""The Data Manager: tasks filtered, ordered and selected as its tabs do it, the tabs themselves, and bulk actions."""
