class IndexAccountsOnStatus < ActiveRecord::Migration[6.1]
  disable_ddl_transaction!

  def change
    add_index :accounts, %i[status node], algorithm: :concurrently
    add_index :accounts, :owner_id, algorithm: :concurrently
  end
end
