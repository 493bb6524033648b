"""What people do with a storage beside the checks: try its access, look at a file as a browser does, write its policies."""
