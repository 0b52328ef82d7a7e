"""Applications that use Currant."""
