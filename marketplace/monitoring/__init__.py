"""What machines ask of the site: does it live, can it work, how much does it do."""
