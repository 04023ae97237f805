"""What packets of video say of themselves, by codec."""
